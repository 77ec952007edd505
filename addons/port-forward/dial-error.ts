import { codeOf, messageOf } from '#base/errors';

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  ETIMEDOUT: 'connect: connection timed out',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  EACCES: 'connect: permission denied',
  EPERM: 'connect: operation not permitted',
  EMFILE: 'socket: too many open files',
  ECONNRESET: 'connect: connection reset by peer',
};

/** Why a connection could not be made, in the words that Go has for it: people and scripts know them. */
export function dialError(protocol: string, host: string, port: number, error: unknown): string {
  const code = codeOf(error) ?? codeOf((error as { errors?: unknown[] } | null)?.errors?.[0]);
  if (code === 'ENOTFOUND') return `dial ${protocol}: lookup ${host}: no such host`;
  if (code === 'EAI_AGAIN') return `dial ${protocol}: lookup ${host}: temporary failure in name resolution`;
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return `dial ${protocol} ${address}: ${(code && reasons[code]) ?? messageOf(error)}`;
}
