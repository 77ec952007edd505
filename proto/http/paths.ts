// Where things are, and nothing else: a program that only calls these need not load a single schema.

/** Device authentication, management side (`server-api.md` §2.1). */
export const devauth = '/api/management/v2/devauth';
/** Inventory (§2.4, §2.5). */
export const inventoryV1 = '/api/management/v1/inventory';
export const inventoryV2 = '/api/management/v2/inventory';
/** Sessions with devices (§2.6). */
export const deviceconnect = '/api/management/v1/deviceconnect';
/** Releases and deployments (§2.2, §2.3). */
export const deploymentsV1 = '/api/management/v1/deployments';
export const deploymentsV2 = '/api/management/v2/deployments';
/** Users and log-in (§2.8). */
export const useradm = '/api/management/v1/useradm';
/** Ours: below it, `ID/…`, are the routes of an add-on of a third party. */
export const addonsPath = '/api/management/v1/addons';
export const deviceAddonsPath = '/api/devices/v1/addons';
/** Ours: the audit log, newest first, paged. */
export const auditPath = '/api/management/v1/patchbay/audit';
/** Ours: roles, logins of users, the second factor, what is decided for all. */
export const rolesPath = '/api/management/v1/patchbay/roles';
export const loginsPath = '/api/management/v1/patchbay/logins';
export const secondFactorPath = '/api/management/v1/patchbay/second-factor';
export const policyPath = '/api/management/v1/patchbay/policy';
/** Ours: groups, static and dynamic. */
export const groupsPath = '/api/management/v1/patchbay/groups';
/** Ours: which of many devices are connected. */
export const presencePath = '/api/management/v1/patchbay/presence';
/** Ours: sessions that are open, and what terminals showed. */
export const sessionsPath = '/api/management/v1/patchbay/sessions';
export const recordingsPath = '/api/management/v1/patchbay/recordings';
