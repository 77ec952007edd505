import type { QueryClient } from '@tanstack/react-query';

export const addonKeys = {
  /** How often anything may have changed: the server was away. */
  any: ['addon-changes'] as const,
  /** How often something of an add-on has changed for a device since the page was loaded. */
  changes: (addon: string, deviceId: string) => ['addon-changes', addon, deviceId] as const,
  /** How many things of an add-on wait for people. */
  count: (addon: string) => ['addon-count', addon] as const,
};

/**
 * Calls `listener` whenever the server says that something has changed, with the device; without one when anything may
 * have. Gives back how to stop it.
 */
export function onChanges(
  client: QueryClient,
  addon: string,
  listener: (deviceId: string | undefined) => void,
): () => void {
  return client.getQueryCache().subscribe(({ type, query: { queryKey } }) => {
    if (type !== 'updated' || queryKey[0] !== addonKeys.any[0]) return;
    if (queryKey.length === 1) listener(undefined);
    else if (queryKey[1] === addon) listener(String(queryKey[2]));
  });
}
