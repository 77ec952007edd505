// Of the audit log: its rows and its words.

/**
 * Number of each action, for ever: programs that watch the log go by it. A letter follows it: `I` done, `W` refused, `E`
 * failed. Hundreds by noun: 1 people, 2 devices, 3 groups and inventory, 4 releases, 5 deployments, 6 sessions and files,
 * 7 the server, 8 add-ons. A number is never given to another action.
 */
export const auditActions = {
  login: 101,
  logout: 102,
  login_end: 103,
  user_create: 110,
  user_update: 111,
  user_remove: 112,
  role_create: 120,
  role_update: 121,
  role_remove: 122,
  second_factor_begin: 130,
  second_factor_on: 131,
  second_factor_off: 132,
  recovery_codes: 133,
  token_create: 140,
  token_remove: 141,
  device_preauthorize: 201,
  device_status: 202,
  device_dismiss: 203,
  device_decommission: 204,
  device_token_revoke: 205,
  device_check_update: 206,
  device_send_inventory: 207,
  group_join: 301,
  group_leave: 302,
  group_remove: 303,
  group_create: 304,
  group_update: 305,
  device_tags: 310,
  inventory_clear: 311,
  artifact_upload: 401,
  artifact_generate: 402,
  artifact_direct_upload: 403,
  artifact_update: 404,
  artifact_delete: 405,
  artifact_upload_link: 406,
  release_delete: 410,
  release_update: 411,
  release_tag: 412,
  deployment_create: 501,
  deployment_abort: 502,
  device_deployments_abort: 503,
  device_deployments_forget: 504,
  session_open: 601,
  session_close: 602,
  session_end: 603,
  session_use: 604,
  session_join: 605,
  session_share: 606,
  file_download: 610,
  file_upload: 611,
  page_open: 620,
  recording_read: 630,
  recording_delete: 631,
  settings_update: 701,
  policy_update: 702,
  audit_export: 710,
  audit_prune: 711,
  integration_create: 720,
  integration_update: 721,
  integration_delete: 722,
  integration_state: 723,
  integration_device_delete: 724,
  backup: 730,
  restore: 731,
  set_configuration: 801,
  deploy_configuration: 802,
  revert_configuration: 803,
  set_configuration_schema: 804,
  alerts_acknowledge: 810,
  alerts_unacknowledge: 811,
  silence_create: 812,
  silence_end: 813,
  channel_create: 814,
  channel_update: 815,
  channel_delete: 816,
  channel_test: 817,
  monitor_settings: 818,
  set_checks: 819,
  revert_checks: 820,
} as const;

export type AuditAction = keyof typeof auditActions;
export const auditResults = ['ok', 'refused', 'failed'] as const;
export type AuditResult = (typeof auditResults)[number];

/** `P101W`: a login that was refused. `P000…` for an action that has no number yet. */
export function auditCode(action: string, result: AuditResult): string {
  const number = Object.hasOwn(auditActions, action) ? auditActions[action as AuditAction] : 0;
  return `P${String(number).padStart(3, '0')}${{ ok: 'I', refused: 'W', failed: 'E' }[result]}`;
}

/** A row of the audit log: newest first, paged. */
export interface AuditEntry {
  id: number;
  time: string;
  actor: { type: 'user' | 'device' | 'system'; id: string; name?: string };
  /** Stable word: `login`, `device_status`, `artifact_upload`, `deployment_create`, `session_open` … */
  action: string;
  /** The same with the result, as a number for programs (`auditCode`). */
  code: string;
  object: { type: string; id: string; name?: string };
  result: AuditResult;
  request_id?: string;
  address?: string;
  user_agent?: string;
  details?: Record<string, unknown>;
  /** Of a change: what was and what is. Secrets are masked. */
  before?: Record<string, unknown>;
  after?: Record<string, unknown>;
}
