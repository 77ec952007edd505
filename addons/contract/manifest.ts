import type { TSchema } from 'typebox';
import { CodedError } from '#base/errors';
import type { Protocol } from '#proto';
import type { Permission } from '#proto/http/users';

export type Half = 'device' | 'server' | 'web' | 'cli';

/** Pictures that the pages have for add-ons. */
export const addonIcons = [
  'bell',
  'chart',
  'dashboard',
  'files',
  'gauge',
  'map',
  'plug',
  'puzzle',
  'sliders',
  'terminal',
] as const;
export type AddonIcon = (typeof addonIcons)[number];

/** What an add-on is. Data only: a host reads it before it loads any half. */
export interface Manifest<
  P extends Protocol = Protocol,
  C extends TSchema = TSchema,
  N extends Readonly<Record<string, string>> = Readonly<Record<string, string>>,
> {
  /** Version of this contract. */
  readonly api: 1;
  /** `terminal`: configuration section, URL segment, log scope. Lower case, digits and dashes. */
  readonly id: string;
  /** Of its tab; the id with a capital if it has none. */
  readonly title?: string;
  /** Beside the title of its tab, and of its page; `puzzle` if it has none. */
  readonly icon?: AddonIcon;
  /** A page of its own in the navigation of the web pages, not of one device; its web half draws it (`WebHalf.page`). */
  readonly page?: {
    readonly title: string;
    /** In the navigation, where a narrow screen shows nothing else of it; the add-on's own if it is another. */
    readonly icon?: AddonIcon;
    /** Who is shown it; not said: everybody. */
    readonly permission?: Permission;
    /** A GET that answers an object, and its key that says how many things wait for people: a number in the navigation. */
    readonly count?: { readonly path: string; readonly key: string };
  };
  /** Which other entry points there are, each a module beside this one. */
  readonly halves: readonly Half[];
  /** What it speaks on the session socket, if anything. */
  readonly protocol?: P;
  /** What its sessions need of a person; default `sessions:terminal`, the right to do anything with a device. */
  readonly sessions?: Permission;
  /** Rights of its own, each with what it allows: `calibrate` of the add-on `sensors` is `addon:sensors:calibrate`. */
  readonly permissions?: Readonly<Record<string, string>>;
  /** Which roles that come with the server have them: name of the role → words of `permissions`. Administrators have all. */
  readonly roles?: Readonly<Record<string, readonly string[]>>;
  /**
   * What the audit log keeps of a person's messages, besides that there was a session: type → keys of its body. Only
   * those are looked into on the server; the bodies of all others pass through unread.
   */
  readonly audit?: Readonly<Record<string, readonly string[]>>;
  /** Its sessions outlive a lost link, where both ends are ours (`proto/resume.ts`); else they end with it. */
  readonly resumes?: boolean;
  /** JSON Schema of its section; the host checks it and fills the defaults. */
  readonly config: C;
  /** Commands of its cli half, each with the line that `--help` shows, which loads no half. */
  readonly commands?: N;
}

export const defineManifest = <
  const P extends Protocol,
  const C extends TSchema,
  const N extends Readonly<Record<string, string>>,
>(
  manifest: Manifest<P, C, N>,
): Manifest<P, C, N> => manifest;

/** What a module of somebody says it is, as far as a host relies on it. Throws `invalid_addon` in words for its author. */
export function checkManifest(value: unknown): Manifest {
  const manifest = value as Partial<Manifest> | null | undefined;
  if (typeof manifest !== 'object' || manifest === null) throw invalid('its manifest has no default export');
  const { api, id, halves, config, protocol, permissions, roles, sessions, audit, commands, icon, page } = manifest;
  if (api !== 1) throw invalid(`its manifest is for api ${String(api)}, this is 1`);
  if (typeof id !== 'string' || !/^[a-z0-9-]{1,64}$/.test(id)) throw invalid('its manifest has no proper id');
  if (!Array.isArray(halves)) throw invalid('its manifest names no halves');
  if (typeof config !== 'object') throw invalid('its manifest has no config schema');
  if (protocol && !(Number.isInteger(protocol.number) && protocol.number > 0 && protocol.number < 0xffff))
    throw invalid(`its manifest has protocol number ${protocol.number}`);
  if (protocol && typeof protocol.messages !== 'object') throw invalid('its protocol has no messages');
  for (const name of Object.keys(permissions ?? {}))
    if (!/^[a-z0-9-]{1,64}$/.test(name)) throw invalid(`its permission '${name}' is no word`);
  for (const words of Object.values(roles ?? {}))
    for (const word of words)
      if (!Object.hasOwn(permissions ?? {}, word)) throw invalid(`its roles name '${word}', no permission of its own`);
  if (sessions !== undefined && (typeof sessions !== 'string' || foreign(sessions, manifest)))
    throw invalid(`its sessions need '${sessions}', which is no permission of its own`);
  if (page !== undefined && (typeof page.title !== 'string' || !/^\S.{0,63}$/.test(page.title)))
    throw invalid('its page has no proper title');
  if (page?.permission !== undefined && (typeof page.permission !== 'string' || foreign(page.permission, manifest)))
    throw invalid(`its page needs '${page.permission}', which is no permission of its own`);
  for (const name of [icon, page?.icon])
    if (name !== undefined && !addonIcons.includes(name))
      throw invalid(`its manifest has the icon '${name}': there are ${addonIcons.join(', ')}`);
  if (page?.count !== undefined && !(page.count.path?.startsWith?.('/api/') && typeof page.count.key === 'string'))
    throw invalid('its page counts nothing that the server answers');
  if (!Object.values(audit ?? {}).every((keys) => Array.isArray(keys))) throw invalid('its audit names no keys');
  for (const name of Object.keys(commands ?? {}))
    if (!/^[a-z][a-z0-9-]{0,63}$/.test(name)) throw invalid(`its command '${name}' is no word`);
  return manifest as Manifest;
}

/** The permissions of an add-on's own, as roles name them. */
export const ownPermissions = ({ id, permissions }: Partial<Manifest>): Permission[] =>
  Object.keys(permissions ?? {}).map((word): Permission => `addon:${id}:${word}`);

const foreign = (permission: string, manifest: Partial<Manifest>): boolean =>
  permission.startsWith('addon:') && !ownPermissions(manifest).some((own) => own === permission);

/** What a page calls an add-on. */
export const titleOf = ({ id, title }: Manifest): string =>
  title ?? `${id.charAt(0).toUpperCase()}${id.slice(1).replaceAll('-', ' ')}`;

const invalid = (message: string): CodedError => new CodedError('invalid_addon', message);
