import { CodedError } from '#base/errors';

/** What is to be forwarded: a port here, to a host and port as the device sees them. */
export interface Spec {
  readonly protocol: 'tcp' | 'udp';
  /** Undefined: that of `--bind`. */
  readonly bind: string | undefined;
  /** 0: any free one. */
  readonly local: number;
  readonly host: string;
  readonly remote: number;
}

const forms = '[tcp/|udp/][BIND:][LOCAL:[HOST:]]REMOTE, such as 8080:localhost:80';

/**
 * A specification in the forms that people know: `LOCAL[:[HOST:]REMOTE]` of mender-cli with `tcp/` or `udp/` before it,
 * `[BIND:]LOCAL:HOST:REMOTE` of `ssh -L`. One number is that port of the device, at the same port here. IPv6 in brackets.
 */
export function parseSpec(text: string): Spec {
  const [, kind = 'tcp', rest = ''] = /^(?:(tcp|udp)\/)?(.*)$/.exec(text) ?? [];
  const parts = split(rest);
  if (!parts || parts.length > 4) throw wrong(text);
  const protocol = kind as Spec['protocol'];
  const [last = '', host = '127.0.0.1', local, bind] = backwards(parts);
  const remote = port(last, text);
  return {
    protocol,
    bind,
    local: local === undefined ? remote : port(local, text, 0),
    host: host || '127.0.0.1',
    remote,
  };
}

/** Parts between colons, of which those in brackets count for nothing; undefined: a bracket is left open. */
function split(text: string): string[] | undefined {
  const parts = text.match(/\[[^\]]*\]|[^:[\]]+|:/g) ?? [];
  if (parts.join('') !== text) return undefined;
  const result = [''];
  for (const part of parts) {
    if (part === ':') result.push('');
    else if (result.at(-1) !== '') return undefined;
    else result[result.length - 1] = part.replace(/^\[|\]$/g, '');
  }
  return result;
}

/** Remote, host, local, bind; two parts are local and remote. */
function backwards(parts: string[]): (string | undefined)[] {
  const [a, b, c, d] = parts;
  if (parts.length === 1) return [a];
  if (parts.length === 2) return [b, undefined, a];
  if (parts.length === 3) return [c, b, a];
  return [d, c, b, a || undefined];
}

function port(text: string, whole: string, least = 1): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (number < least || number > 0xffff) throw wrong(whole);
  return number;
}

const wrong = (text: string): CodedError => new CodedError('usage', `'${text}' is no port to forward: write ${forms}`);
