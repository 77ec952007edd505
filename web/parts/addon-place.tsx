import { useComputedColorScheme } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { useEffect, useRef, useState, type MouseEvent } from 'react';
import type { AnyWebHost, Theme, WebHalf } from '#addon/web';
import { holds, type Me } from '#proto/http/users';
import type { WebAddon } from '../addons.ts';
import { fetchAsUser } from '../api/http.ts';
import { downloadAsUser } from '../api/token.ts';
import { userKeys } from '../api/users.ts';
import { complain, Problem, tell } from './problem.tsx';

/** Has a half draw into an element; gives back how to take it away. */
export type Mount = (half: WebHalf, element: HTMLElement, lent: AnyWebHost) => () => void;

interface AddonPlaceProps {
  readonly addon: WebAddon;
  /** Called once; another `key` calls it again. */
  readonly mount: Mount;
  readonly className: string;
}

/** An element that an add-on draws into, with what it is lent wherever that is. */
export function AddonPlace({ addon, mount, className }: AddonPlaceProps) {
  const place = useRef<HTMLDivElement>(null);
  const theme: Theme = useComputedColorScheme('light', { getInitialValueInEffect: false });
  const themed = useRef({ theme, listeners: new Set<(theme: Theme) => void>() });
  const draw = useRef(mount);
  const client = useQueryClient();
  const router = useRouter();
  const [fault, setFault] = useState<unknown>();
  useEffect(() => {
    themed.current.theme = theme;
    for (const listener of themed.current.listeners) listener(theme);
  }, [theme]);

  useEffect(() => {
    const element = place.current;
    let unmount: (() => void) | undefined;
    let gone = false;
    const lent: AnyWebHost = {
      get theme() {
        return themed.current.theme;
      },
      onTheme: (listener) => {
        themed.current.listeners.add(listener);
        return () => themed.current.listeners.delete(listener);
      },
      fetch: fetchAsUser,
      download: downloadAsUser,
      may: (permission) => holds(new Set(client.getQueryData<Me>(userKeys.me)?.permissions), permission),
      notify: (message, kind) => (kind === 'error' ? complain(addon.title, new Error(message)) : tell(message)),
    };
    addon
      .load()
      .then((half) => {
        if (!gone && element) unmount = draw.current(half, element, lent);
      })
      .catch((error: unknown) => setFault(error));
    return () => {
      gone = true;
      try {
        unmount?.();
      } catch (error) {
        // A fault of one add-on must not take the page with it.
        complain(addon.title, error instanceof Error ? error : new Error(String(error)));
      }
      if (element) element.replaceChildren();
    };
  }, [addon, client]);

  if (fault) return <Problem what={`${addon.title} could not be loaded`} error={fault} />;
  return <div ref={place} className={className} onClick={(event) => follow(event, (to) => router.history.push(to))} />;
}

/** A link within the pages does not load them anew. */
function follow(event: MouseEvent, push: (href: string) => void): void {
  const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[href]') : null;
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (event.defaultPrevented || !plain || !link || link.target !== '' || link.hasAttribute('download')) return;
  const { origin, pathname, search, hash } = new URL(link.href);
  if (origin !== location.origin || pathname.startsWith('/api/')) return;
  event.preventDefault();
  push(pathname + search + hash);
}
