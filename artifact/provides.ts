import type { ArtifactHeader, Payload } from './artifact.ts';

type Provides = Readonly<Record<string, string>>;
type Depends = Readonly<Record<string, string | readonly string[]>>;

/** The payload as a device sees it: what the unsigned part of an augmented artifact says goes first (§7). */
export function mergedPayload({ payload, augment }: ArtifactHeader): Payload {
  if (!augment) return payload;
  const clears = augment.clears ?? payload.clears;
  const metaData = augment.metaData && merge(payload.metaData ?? {}, augment.metaData);
  return {
    ...payload,
    type: augment.type,
    provides: { ...payload.provides, ...augment.provides },
    depends: { ...payload.depends, ...augment.depends },
    ...(clears ? { clears } : {}),
    ...(metaData ? { metaData } : {}),
  };
}

/** Objects merge, level by level; lists and plain values replace. */
function merge(
  below: Readonly<Record<string, unknown>>,
  above: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const entries = Object.entries(above).map(([key, value]): [string, unknown] => {
    const old = Object.hasOwn(below, key) ? below[key] : undefined;
    return [key, isObject(old) && isObject(value) ? merge(old, value) : value];
  });
  return { ...below, ...Object.fromEntries(entries) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Everything that a device provides once this artifact is on it. */
export function mergedProvides(header: ArtifactHeader): Provides {
  return {
    artifact_name: header.name,
    ...(header.group === undefined ? {} : { artifact_group: header.group }),
    ...mergedPayload(header).provides,
  };
}

/** Everything that the artifact asks of a device: `device_type`, and keys that the device must provide. */
export function mergedDepends(header: ArtifactHeader): Depends {
  // Of header-info an empty list says as little as none.
  const general = Object.entries(header.depends).filter(([, wanted]) => wanted.length > 0);
  return { ...Object.fromEntries(general), ...mergedPayload(header).depends };
}

/** What a device says of itself: its type and what the artifacts on it provide. */
export interface DeviceView {
  readonly device_type: string;
  readonly provides: Provides;
}

/** Why the artifact does not fit the device, in words that go behind "artifact NAME"; undefined: it fits. */
export function dependsMismatch(header: ArtifactHeader, device: DeviceView): string | undefined {
  for (const [key, value] of Object.entries(mergedDepends(header))) {
    const wanted = typeof value === 'string' ? [value] : value;
    const has = key === 'device_type' ? device.device_type : own(device.provides, key);
    if (has === undefined) return `needs ${key} ${wanted.join(' or ')}, but the device has no ${key}`;
    if (!wanted.includes(has)) return `needs ${key} ${wanted.join(' or ')}, but the device has ${has}`;
  }
  return undefined;
}

function own(provides: Provides, key: string): string | undefined {
  return Object.hasOwn(provides, key) ? provides[key] : undefined;
}

/** What a device provides after it has committed the artifact, from what it provided before (§9). */
export function applyProvides(stored: Provides, header: ArtifactHeader): Provides {
  const { provides, clears = ['*'] } = mergedPayload(header);
  const kept = Object.entries(stored).filter(([key]) => !clears.some((pattern) => matchesClear(pattern, key)));
  return {
    ...Object.fromEntries(kept),
    ...provides,
    artifact_name: header.name,
    ...(header.group === undefined ? {} : { artifact_group: header.group }),
  };
}

/** Whether a pattern of `clears_artifact_provides` covers a key: `*` is any run of characters, all else is literal. */
export function matchesClear(pattern: string, key: string): boolean {
  const [head = '', ...parts] = pattern.split('*');
  const tail = parts.pop();
  if (tail === undefined) return pattern === key;
  if (key.length < head.length + tail.length || !key.startsWith(head) || !key.endsWith(tail)) return false;
  // Between them the parts must follow one another; taking each at its first place leaves the most room.
  let at = head.length;
  for (const part of parts) {
    const found = key.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= key.length - tail.length;
}
