import type { QueryClient } from '@tanstack/react-query';

export const addonKeys = {
  /** How often something of an add-on has changed for a device since the page was loaded. */
  changes: (addon: string, deviceId: string) => ['addon-changes', addon, deviceId] as const,
};

/** Calls `listener` whenever the server says that something has changed; gives back how to stop it. */
export function onChanges(client: QueryClient, addon: string, deviceId: string, listener: () => void): () => void {
  const wanted = JSON.stringify(addonKeys.changes(addon, deviceId));
  return client.getQueryCache().subscribe(({ type, query }) => {
    if (type === 'updated' && query.queryHash === wanted) listener();
  });
}
