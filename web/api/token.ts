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
  setTokenCookie('/', 5);
}

/**
 * Has the browser download what a path of this server answers: past the page, to the disk, and after a cut from where it
 * was. For that the token stays with it for half a day, for this path and nothing else; with the login its use ends.
 */
export function downloadAsUser(path: string, name: string): void {
  const url = new URL(path, location.origin);
  if (url.origin !== location.origin) throw new Error(`${path} is not on this server`);
  setTokenCookie(url.pathname, 12 * 3600);
  Object.assign(document.createElement('a'), { href: url.href, download: name }).click();
}

function setTokenCookie(path: string, seconds: number): void {
  const secure = location.protocol === 'https:' ? '; secure' : '';
  document.cookie = `${tokenCookie}=${readToken() ?? ''}; path=${path}; samesite=strict; max-age=${seconds}${secure}`;
}
