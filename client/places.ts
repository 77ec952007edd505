import { join } from 'node:path';

/** Where a device keeps what the client uses (`update-client.md` §1.3). */
export interface Places {
  /** mender.conf, state scripts of the root file system. */
  readonly conf: string;
  /** Identity and inventory scripts, update modules. */
  readonly share: string;
  /** Key, store, device type, work folders: on the persistent partition. */
  readonly store: string;
}

export const defaultPlaces: Places = { conf: '/etc/mender', share: '/usr/share/mender', store: '/var/lib/mender' };

/** The names below those places. */
export const paths = {
  config: (places: Places) => join(places.conf, 'mender.conf'),
  fallbackConfig: (places: Places) => join(places.store, 'mender.conf'),
  keptConfig: (places: Places) => join(places.store, 'patchbay-config.json'),
  rootScripts: (places: Places) => join(places.conf, 'scripts'),
  artifactScripts: (places: Places) => join(places.store, 'scripts'),
  identity: (places: Places) => join(places.share, 'identity', 'mender-device-identity'),
  inventory: (places: Places) => join(places.share, 'inventory'),
  modules: (places: Places) => join(places.share, 'modules', 'v3'),
  key: (places: Places) => join(places.store, 'mender-agent.pem'),
  deviceType: (places: Places) => join(places.store, 'device_type'),
  journal: (places: Places) => join(places.store, 'patchbay-store.json'),
  tree: (places: Places) => join(places.store, 'modules', 'v3', 'payloads', '0000', 'tree'),
  bootstrap: (places: Places) => join(places.store, 'bootstrap.mender'),
  /** Of Mender's client, where that ran before. */
  formerStore: (places: Places) => join(places.store, 'mender-store'),
  process: (places: Places) => join(places.store, 'patchbay-client.pid'),
} as const;
