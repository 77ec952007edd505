export interface Deployments {
  id: string;
  name: string;
  artifact_name: string;
  /** JSON list of ids: all artifacts of that name; grows until the deployment is finished. */
  artifacts: string;
  type: string;
  status: string;
  /** 1 until it is finished or aborted. */
  active: number;
  created: string;
  finished: string | null;
  force_installation: number;
  max_devices: number;
  device_count: number;
  /** Bytes. PostgreSQL gives a bigint as text. */
  total_size: number | string;
  groups: string;
  filter: string | null;
  configuration: string | null;
  /** JSON list of the keys in `configuration` of which nothing is shown; null: none. */
  secret_settings: string | null;
  /** Hash of what was asked for: no two active deployments share it. */
  constructor_hash: string;
}

export interface DeploymentCounters {
  deployment_id: string;
  status: string;
  count: number;
}

/**
 * One row a device of a deployment's frozen list. Until the device first asks (`asked` null) it is a mere target and the
 * API does not show it (`server-api.md` §3.2).
 */
export interface DeviceDeployments {
  deployment_id: string;
  device_id: string;
  status: string;
  /** 1 while the device has something to do in it. The poll's index holds these rows only. */
  active: number;
  /** The deployment's. */
  created: string;
  asked: string | null;
  started: string | null;
  finished: string | null;
  deleted: string | null;
  substate: string | null;
  artifact_id: string | null;
  /** What the device said of itself when it asked first, JSON. */
  request: string | null;
  log: number;
}

export interface DeploymentLogs {
  deployment_id: string;
  device_id: string;
  messages: string;
}

/** Deployments and how each device fares in them. */
export interface DeploymentTables {
  deployments: Deployments;
  deployment_counters: DeploymentCounters;
  device_deployments: DeviceDeployments;
  deployment_logs: DeploymentLogs;
}
