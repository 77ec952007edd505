import { tokenCookie } from '#proto/http/users';

const key = 'patchbay.token';

/** The user's token, in this tab or (if he asked for that at login) in this browser. */
export function readToken(): string | undefined {
  return sessionStorage.getItem(key) ?? localStorage.getItem(key) ?? undefined;
}

export function keepToken(token: string, remember: boolean): void {
  (remember ? localStorage : sessionStorage).setItem(key, token);
}

export function dropToken(): void {
  sessionStorage.removeItem(key);
  localStorage.removeItem(key);
}

/**
 * A browser's WebSocket cannot carry an Authorization header, so the token rides in a cookie that lives five seconds:
 * just long enough to be sent with the handshake that follows (`connect-protocol.md` §1.1).
 */
export function lendTokenCookie(): void {
  const secure = location.protocol === 'https:' ? '; secure' : '';
  document.cookie = `${tokenCookie}=${readToken() ?? ''}; path=/; samesite=strict; max-age=5${secure}`;
}
