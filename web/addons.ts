import { useQuery } from '@tanstack/react-query';
import { titleOf, type Manifest } from '#addon/manifest';
import type { WebHalf } from '#addon/web';
import type { Permission } from '#proto/http/users';
import { getJson } from './api/http.ts';

// Which add-ons there are is read from the folders when the page is built; none is named here. The manifests come with
// the page, a web half (and the library behind it) only when its tab is opened.
const manifests = import.meta.glob<Manifest>(['../addons/*/manifest.ts', '!../addons/contract/*'], {
  eager: true,
  import: 'default',
});
const halves = import.meta.glob<WebHalf>(['../addons/*/web.ts', '!../addons/contract/*'], { import: 'default' });

export interface WebAddon {
  readonly id: string;
  readonly title: string;
  readonly manifest: Manifest;
  /** What its sessions need. */
  readonly permission: Permission | undefined;
  load(): Promise<WebHalf>;
}

const addonOf = (manifest: Manifest, load: () => Promise<WebHalf>): WebAddon => ({
  id: manifest.id,
  title: titleOf(manifest),
  manifest,
  permission: manifest.sessions ?? (manifest.protocol ? 'sessions:terminal' : undefined),
  load,
});

const ours: readonly WebAddon[] = Object.entries(manifests).flatMap(([path, manifest]) => {
  const load = halves[path.replace(/manifest\.ts$/, 'web.ts')];
  return load && manifest.halves.includes('web') ? [addonOf(manifest, load)] : [];
});

interface Offered {
  readonly manifest: Manifest;
  /** Path of its web half. */
  readonly module: string;
}

/** Ours, and those that the server's configuration names, once it has said which. */
export function useWebAddons(): readonly WebAddon[] {
  const { data = [] } = useQuery({
    queryKey: ['addons'],
    staleTime: Infinity,
    queryFn: async ({ signal }) =>
      (await getJson<Offered[]>('/api/management/v1/patchbay/addons', { signal })).map(({ manifest, module }) =>
        addonOf(manifest, async () => {
          const { default: half } = (await import(/* @vite-ignore */ module)) as { default?: WebHalf };
          if (typeof half?.mount !== 'function') throw new Error('its module has no mount function');
          return half;
        }),
      ),
  });
  return data.length > 0 ? [...ours, ...data] : ours;
}
