import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { holds, useradm, type Me, type Permission } from '#proto/http/users';
import { getJson, send } from './http.ts';
import { dropToken, keepToken } from './token.ts';

export const userKeys = {
  me: ['me'] as const,
  all: ['users'] as const,
  list: ['users', 'list'] as const,
  logins: (id: string | undefined) => ['users', 'logins', id ?? 'me'] as const,
  roles: ['users', 'roles'] as const,
  factor: ['users', 'factor'] as const,
  tokens: ['users', 'tokens'] as const,
  policy: ['users', 'policy'] as const,
};

/** Basic authentication takes bytes, so that a password may hold any character. */
function basic(email: string, password: string): string {
  const bytes = new TextEncoder().encode(`${email}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

/** `code`: of the second factor. An `ApiFailure` whose `said.second_factor` is `wanted` or `wrong` asks for it. */
export async function login(email: string, password: string, code: string, remember: boolean): Promise<void> {
  const response = await send(`${useradm}/auth/login`, {
    method: 'POST',
    headers: { authorization: basic(email.trim(), password) },
    ...(code ? { body: { token2fa: code } } : {}),
  });
  dropToken();
  keepToken((await response.text()).trim(), remember);
}

/** Tells the server to forget the token; signed out here in any case. */
export async function logout(): Promise<void> {
  try {
    await send(`${useradm}/auth/logout`, { method: 'POST' });
  } finally {
    dropToken();
  }
}

export const meQuery = queryOptions({
  queryKey: userKeys.me,
  queryFn: ({ signal }) => getJson<Me>(`${useradm}/users/me`, { signal }),
  staleTime: 5 * 60_000,
});

export const useMe = () => useQuery(meQuery);

const words: Partial<Record<Permission, string>> = {
  'devices:manage': 'accept, reject or remove devices',
  'inventory:manage': 'change groups or tags of devices',
  'releases:manage': 'upload or delete artifacts',
  'deployments:manage': 'create or abort deployments',
  'sessions:terminal': 'open a terminal',
  'audit:read': 'read the audit log',
};

/** Undefined: the user may. Else why not, for a person. */
export function useDenied(permission: Permission | undefined): string | undefined {
  const me = useQueryClient().getQueryData<Me>(userKeys.me) ?? undefined;
  const { data = me } = useMe();
  if (!data || !permission || holds(new Set(data.permissions), permission)) return undefined;
  const role = data.roles.length > 0 ? `Your role (${data.roles.join(', ')})` : 'Your account, which has no role,';
  return `${role} may not ${words[permission] ?? permission}. An administrator can change that.`;
}
