export interface Users {
  id: string;
  email: string;
  password: string;
  roles: string;
  created_ts: string;
  updated_ts: string;
  login_ts: string | null;
}

export interface UserTokens {
  id: string;
  user_id: string;
  /** `session` or `access`. */
  kind: string;
  name: string | null;
  created_ts: string;
  expires_ts: string | null;
  last_used_ts: string | null;
  /** From where and with what it was made. */
  address: string | null;
  user_agent: string | null;
}

/** Roles of one's own; the built-in ones are in the code. */
export interface Roles {
  name: string;
  description: string;
  /** JSON list of `Grant`. */
  grants: string;
  created_ts: string;
  updated_ts: string;
}

export interface SecondFactors {
  user_id: string;
  /** Base32, sealed (`seal.ts`); as it is where an older version made it and no server was started since. */
  secret: string;
  /** Null until a code of it was shown. */
  enabled_ts: string | null;
  /** Step of the last code that was taken: none is taken twice, nor an older one. */
  last_step: number;
}

/** Those not yet used. */
export interface RecoveryCodes {
  user_id: string;
  hash: string;
}

/** Free settings that clients keep here: of everybody (owner `global`), or of one user. JSON text. */
export interface Settings {
  owner: string;
  document: string;
}

/** People, how they come in, what they may do, and what they keep here. */
export interface PeopleTables {
  users: Users;
  user_tokens: UserTokens;
  roles: Roles;
  second_factors: SecondFactors;
  recovery_codes: RecoveryCodes;
  settings: Settings;
}
