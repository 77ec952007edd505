import { CodedError } from '#base/errors';

/** One side of a copy: a path here, or on a device. */
export type Place =
  | { readonly kind: 'here'; readonly path: string }
  | { readonly kind: 'device'; readonly device: string; readonly path: string };

/** `DEVICE:/path`, or a path of this machine: one that has a colon is written with a slash before it, as for scp. */
export function parsePlace(text: string): Place {
  const [, device, path] = /^([^/:]+):(.*)$/s.exec(text) ?? [];
  if (device === undefined || path === undefined) return { kind: 'here', path: text };
  if (!path.startsWith('/'))
    throw new CodedError('usage', `'${text}': a path on a device is absolute, such as ${device}:/tmp/${path}`);
  return { kind: 'device', device, path };
}
