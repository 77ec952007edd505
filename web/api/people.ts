import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import {
  loginsPath,
  policyPath,
  rolesPath,
  secondFactorPath,
  useradm,
  type Enrolment,
  type Login,
  type NewRole,
  type NewUser,
  type Policy,
  type RecoveryCodes,
  type Role,
  type SecondFactor,
  type User,
} from '#proto/http/users';
import { auditKeys } from './audit.ts';
import { getJson, send } from './http.ts';
import { userKeys } from './users.ts';

/** A change after which what is kept of people is asked for anew. */
function useChange<T, R = unknown>(change: (given: T) => Promise<R>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSettled: () =>
      Promise.all([userKeys.all, userKeys.me, auditKeys.all].map((queryKey) => client.invalidateQueries({ queryKey }))),
  });
}

const one = (id: string) => `${useradm}/users/${encodeURIComponent(id)}`;
const loginsOf = (id: string | undefined) =>
  id === undefined ? loginsPath : `/api/management/v1/patchbay/users/${encodeURIComponent(id)}/logins`;

export const useUsers = () =>
  useQuery({ queryKey: userKeys.list, queryFn: ({ signal }) => getJson<User[]>(`${useradm}/users`, { signal }) });
export const useAddUser = () => useChange((body: NewUser) => send(`${useradm}/users`, { method: 'POST', body }));
export const useChangeUser = () =>
  useChange(({ id, ...body }: { id: string; roles?: string[]; password?: string }) =>
    send(one(id), { method: 'PUT', body }),
  );
export const useRemoveUser = () => useChange((id: string) => send(one(id), { method: 'DELETE' }));

export const useRoles = () =>
  useQuery({ queryKey: userKeys.roles, queryFn: ({ signal }) => getJson<Role[]>(rolesPath, { signal }) });
export const useSaveRole = () =>
  useChange(({ role: { name, ...content }, isNew }: { role: NewRole; isNew: boolean }) =>
    isNew
      ? send(rolesPath, { method: 'POST', body: { name, ...content } })
      : send(`${rolesPath}/${encodeURIComponent(name)}`, { method: 'PUT', body: content }),
  );
export const useRemoveRole = () =>
  useChange((name: string) => send(`${rolesPath}/${encodeURIComponent(name)}`, { method: 'DELETE' }));

/** Of a user, or without one one's own. */
export const useLogins = (id?: string) =>
  useQuery({
    queryKey: userKeys.logins(id),
    queryFn: ({ signal }) => getJson<Login[]>(loginsOf(id), { signal }),
  });
/** Without `login`: all (of one's own, all others). */
export const useEndLogin = (id?: string) =>
  useChange((login?: string) =>
    send(login === undefined ? loginsOf(id) : `${loginsOf(id)}/${encodeURIComponent(login)}`, { method: 'DELETE' }),
  );

export const useFactor = () =>
  useQuery({
    queryKey: userKeys.factor,
    queryFn: ({ signal }) => getJson<SecondFactor>(secondFactorPath, { signal }),
  });
export const useEnrolment = () => useMutation({ mutationFn: () => getJson<Enrolment>(`${useradm}/2faqr`) });
export const useConfirmFactor = () =>
  useChange((token2fa: string) =>
    getJson<RecoveryCodes>(`${useradm}/2faverify`, { method: 'PUT', body: { token2fa } }),
  );
export const useRenewCodes = () =>
  useChange((token2fa: string) =>
    getJson<RecoveryCodes>(`${secondFactorPath}/recovery-codes`, { method: 'POST', body: { token2fa } }),
  );
export const useFactorOff = () =>
  useChange(({ id = 'me', token2fa }: { id?: string; token2fa?: string }) =>
    send(`${one(id)}/2fa/disable`, { method: 'POST', body: token2fa === undefined ? {} : { token2fa } }),
  );

export interface NewToken {
  readonly name: string;
  /** Seconds; 0: it does not expire. */
  readonly expires_in: number;
}
export const useMakeToken = () =>
  useChange(async (body: NewToken) => (await send(`${useradm}/settings/tokens`, { method: 'POST', body })).text());
export const useChangePassword = () =>
  useChange((body: { password: string; current_password: string }) =>
    send(`${useradm}/users/me`, { method: 'PUT', body }),
  );

export const usePolicy = () =>
  useQuery({ queryKey: userKeys.policy, queryFn: ({ signal }) => getJson<Policy>(policyPath, { signal }) });
export const useSetPolicy = () => useChange((body: Policy) => send(policyPath, { method: 'PUT', body }));
