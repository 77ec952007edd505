import { resumeExtension, type LooseMessage, type Protocol } from '#proto';
import type { OperatorSession } from '#addon/web';
import { CodedError } from '#base/errors';
import { deviceconnect, type ConnectState } from '#proto/http/devices';
import { openSession } from '../session.ts';
import { ApiFailure, getJson } from './http.ts';
import { lendTokenCookie } from './token.ts';

export interface ConnectOptions {
  /** What an earlier page kept of a session that is to go on here. */
  readonly frozen?: string | undefined;
  /** The id of somebody else's session, to sit down at it. */
  readonly join?: string | undefined;
}

/** Opens a session with a device, or rejects with the reason in plain words. */
export function connectDevice(
  device: string,
  protocol: Protocol,
  resume: boolean,
  { frozen, join }: ConnectOptions = {},
): Promise<OperatorSession<LooseMessage>> {
  const path = `${deviceconnect}/devices/${encodeURIComponent(device)}`;
  const query = (sid: string | undefined): string => {
    const given = { session: resume && join === undefined ? sid : undefined, join };
    const named = Object.entries(given).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]));
    return new URLSearchParams([...named, ...(resume ? [['extensions', resumeExtension]] : [])]).toString();
  };
  return openSession({
    url: (sid) => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${path}/connect?${query(sid)}`,
    protocol,
    resume,
    ...(frozen === undefined ? {} : { frozen }),
    before: lendTokenCookie,
    explain: (sid) => explain(path, query(sid)),
  });
}

/** A browser hides why an upgrade was refused, so the question is put again where the answer can be read. */
async function explain(path: string, query: string): Promise<Error> {
  try {
    const goesOn = query.includes('session=');
    const { status } = await getJson<ConnectState>(path);
    if (status !== 'connected' && !goesOn)
      return new CodedError('device_offline', 'The device is offline: it has no connection to this server now.');
    // Connected, and yet refused: what is left is a right that the role lacks, or a limit.
    await getJson(`${path}/connect?${query}`);
    return new CodedError('session_refused', 'The server refused the session. Its log says why.');
  } catch (error) {
    if (!(error instanceof ApiFailure)) return error instanceof Error ? error : new Error(String(error));
    if (error.status === 0 || error.status >= 500) return new CodedError('connection', 'The server cannot be reached.');
    if (error.status === 401) return new CodedError('signed_out', 'Your login has ended. Log in again.');
    if (error.status === 403)
      return new CodedError('not_permitted', `Your role does not permit this session: ${error.message}.`);
    if (error.status === 404 && /session has ended|no such terminal/.test(error.message))
      return new CodedError('session_closed', 'The session has ended.');
    if (error.status === 404)
      return new CodedError('device_offline', 'The device is offline: it has no connection to this server now.');
    if (error.status === 429) return new CodedError('limit', `Too many sessions: ${error.message}.`);
    // 400 is the answer to any request that is no WebSocket: it says nothing about this session.
    if (error.status === 400) return new CodedError('session_refused', 'The server refused the session.');
    return new CodedError('session_refused', `The server refused the session: ${error.message}.`);
  }
}
