import { Box } from '@mantine/core';
import {
  IconClipboardList,
  IconDeviceDesktopAnalytics,
  IconFolders,
  IconPackage,
  IconRocket,
  IconUsers,
} from './icons.ts';
import { useQueryClient } from '@tanstack/react-query';
import { Link, Navigate, Outlet, useLocation } from '@tanstack/react-router';
import { useEffect, useState, useSyncExternalStore, type ReactNode } from 'react';
import { useWebAddons, type WebAddon } from '../addons.ts';
import { useAddonCount } from '../api/addon-count.ts';
import { useDeviceCount } from '../api/devices.ts';
import { useDenied, useMe } from '../api/users.ts';
import { connectLive, type LiveState } from '../live.ts';
import { AddonIcon } from './addon-icon.tsx';
import { Mark } from './brand.tsx';
import { Waiting } from './fallback.tsx';
import { Problem } from './problem.tsx';
import { UserMenu } from './user-menu.tsx';

const links = [
  { to: '/devices', label: 'Devices', icon: IconDeviceDesktopAnalytics },
  { to: '/groups', label: 'Groups', icon: IconFolders },
  { to: '/releases', label: 'Releases', icon: IconPackage },
  { to: '/deployments', label: 'Deployments', icon: IconRocket },
] as const;

const liveWords: Record<LiveState, string> = {
  connecting: 'Connecting…',
  live: 'Live',
  lost: 'Not live: reconnecting…',
};

/** The events of the server, while one is signed in. */
function useLive(): LiveState {
  const client = useQueryClient();
  const [live, setLive] = useState<ReturnType<typeof connectLive>>();
  useEffect(() => {
    const made = connectLive(client);
    setLive(made);
    return () => made.close();
  }, [client]);
  return useSyncExternalStore(
    (listener) => live?.subscribe(listener) ?? (() => undefined),
    () => live?.state ?? 'connecting',
  );
}

function RackLink(props: {
  readonly to: string;
  readonly label: string;
  readonly children: ReactNode;
  readonly count?: number | undefined;
  /** What is counted. */
  readonly counted?: string;
}) {
  return (
    <Link to={props.to} className="rack-link">
      {props.children}
      <span className="label">{props.label}</span>
      {props.count ? (
        <span className="rack-count" title={`${props.count} ${props.counted ?? ''}`}>
          {props.count}
        </span>
      ) : null}
      <i className="jack" aria-hidden />
    </Link>
  );
}

/** A page of an add-on's own, and how much waits there. */
function AddonLink({ addon: { id, manifest } }: { readonly addon: WebAddon }) {
  const { page } = manifest;
  const denied = useDenied(page?.permission);
  const count = useAddonCount(id, denied ? undefined : page?.count);
  if (!page || denied) return null;
  return (
    <RackLink to={`/addons/${id}`} label={page.title} count={count} counted="waiting for somebody">
      <AddonIcon name={page.icon ?? manifest.icon} size={19} />
    </RackLink>
  );
}

/** Around every page of someone signed in: the rack of pages at the side. */
export function Frame() {
  const live = useLive();
  const me = useMe();
  const pending = useDeviceCount('pending').data ?? 0;
  const noAudit = useDenied('audit:read');
  const noPeople = useDenied('users:read');
  const addons = useWebAddons();
  const { pathname } = useLocation();
  // A server that wants a second factor of everybody lets whoever has none do nothing else.
  const astray = me.data?.must_enrol === true && pathname !== '/security';
  return (
    <div className="frame">
      <a href="#page" className="skip">
        Skip to the page
      </a>
      <nav className="rack" aria-label="Main">
        <Link to="/devices" className="rack-brand" aria-label="Patchbay, to the devices">
          <Mark />
          <span>Patchbay</span>
        </Link>
        <div className="rack-nav">
          {links.map(({ to, label, icon: Icon }) => (
            <RackLink
              key={to}
              to={to}
              label={label}
              {...(to === '/devices' ? { count: pending, counted: 'waiting for acceptance' } : {})}
            >
              <Icon size={19} stroke={1.6} aria-hidden />
            </RackLink>
          ))}
          {addons.map((addon) => addon.manifest.page && <AddonLink key={addon.id} addon={addon} />)}
          {!noPeople && (
            <RackLink to="/users" label="Users">
              <IconUsers size={19} stroke={1.6} aria-hidden />
            </RackLink>
          )}
          {!noAudit && (
            <RackLink to="/audit" label="Audit log">
              <IconClipboardList size={19} stroke={1.6} aria-hidden />
            </RackLink>
          )}
        </div>
        <UserMenu />
        <div className="rack-foot" role="status" title={liveWords[live]}>
          <i className="live" data-state={live} aria-hidden />
          <span>{liveWords[live]}</span>
        </div>
      </nav>
      <Box component="main" id="page" tabIndex={-1}>
        {/* No page before it is known what the user may do: a button must not first be there and then be refused. */}
        {me.data && (astray ? <Navigate to="/security" replace /> : <Outlet />)}
        {!me.data && !me.error && <Waiting />}
        {!me.data && me.error && (
          <Box p={32}>
            <Problem what="It could not be found out who you are" error={me.error} retry={me.refetch} />
          </Box>
        )}
      </Box>
    </div>
  );
}
