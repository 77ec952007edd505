import type { Manifest } from '#addon/manifest';
import type { WebHalf } from '#addon/web';
import { permissions, type Permission } from '#proto/http/users';

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
  /** What its sessions need, if the server knows such a permission. */
  readonly permission: Permission | undefined;
  load(): Promise<WebHalf>;
}

const capital = (id: string) => `${id.charAt(0).toUpperCase()}${id.slice(1).replaceAll('-', ' ')}`;

export const webAddons: readonly WebAddon[] = Object.entries(manifests).flatMap(([path, manifest]) => {
  const load = halves[path.replace(/manifest\.ts$/, 'web.ts')];
  if (!load || !manifest.halves.includes('web')) return [];
  const permission = permissions.find((each) => each === `sessions:${manifest.id}`);
  return [{ id: manifest.id, title: capital(manifest.id), manifest, permission, load }];
});
