/** Somebody else's service that is told of events. */
export interface Integrations {
  id: string;
  slot: number;
  provider: string;
  /** JSON, secrets and all. */
  credentials: string;
  description: string | null;
  created_ts: string;
}

export interface IntegrationEvents {
  id: string;
  time: string;
  type: string;
  /** JSON. */
  data: string;
  /** 1 until delivery has been tried. */
  waiting: number;
  /** How delivery went, JSON list. */
  statuses: string;
}

/** Devices that were accepted at least once, as integrations know them. */
export interface ProvisionedDevices {
  device_id: string;
}

/** Services of others that are told of events. */
export interface IntegrationTables {
  integrations: Integrations;
  integration_events: IntegrationEvents;
  provisioned_devices: ProvisionedDevices;
}
