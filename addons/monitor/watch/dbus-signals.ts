import type { Message } from 'dbus-next';
import type { Level } from '../alert.ts';
import type { Bus } from './bus.ts';
import { Expiry } from './expiry.ts';
import { compilePattern } from './pattern.ts';
import { shortened } from './remote-looks.ts';
import { well, type Watched } from './watched.ts';

interface Signals {
  readonly name: string;
  readonly pattern?: string;
  readonly watch?: string;
  /** Seconds; 0: until somebody says by hand that it is well. */
  readonly expires: number;
  readonly level: Level;
}

/** Signals on the system bus, by a match rule, a pattern, or both. */
export function dbusSignals({ name, pattern, watch, expires, level }: Signals, bus: Bus): Watched {
  const matches = pattern === undefined ? undefined : compilePattern(pattern);
  // A rule without a type would bring us our own calls as well.
  const rule =
    watch === undefined ? "type='signal'" : /(?:^|,)\s*type\s*=/.test(watch) ? watch : `type='signal',${watch}`;
  const wanted = ruleMatcher(rule);
  return {
    title: watch === undefined ? 'D-Bus signal arrived on bus system bus' : `D-Bus signal arrived on bus ${watch}`,
    subject: { name, type: 'dbus' },
    async follow(host, signal) {
      const over = Promise.withResolvers<void>();
      using expiry = new Expiry(host, expires, () => well('expired', `no such signal for ${expires} s`));
      const off = bus.listen({
        rules: [rule],
        attached: () => {
          if (host.level() === 'UNKNOWN') void host.say(well('watching', 'the bus is watched'));
        },
        lost: (why) => over.reject(new Error(why)),
        heard: (message) => {
          if (!wanted(message)) return;
          const lines = render(message);
          if (matches && !lines.some(matches)) return;
          void expiry.matched({ level, status: 'DBUS_SIGNAL', description: shortened(lines.join('\n'), 4096) });
        },
      });
      const stop = (): void => over.resolve();
      signal.addEventListener('abort', stop, { once: true });
      await over.promise.finally(() => {
        signal.removeEventListener('abort', stop);
        off();
      });
    },
  };
}

/** All checks share one connection: what this rule let through is told from what others did. Names of senders are the bus's work. */
function ruleMatcher(rule: string): (message: Message) => boolean {
  const wanted = new Map(
    [...rule.matchAll(/([a-z0-9_]+)\s*=\s*(?:'([^']*)'|([^,']*))/g)].map(([, key, quoted, bare]) => [
      key,
      quoted ?? bare?.trim() ?? '',
    ]),
  );
  return (message) => {
    if ((message as { type?: number }).type !== 4) return false;
    for (const [key, value] of wanted) {
      if (key === 'interface' && message.interface !== value) return false;
      if (key === 'member' && message.member !== value) return false;
      if (key === 'path' && message.path !== value) return false;
      if (
        key === 'path_namespace' &&
        message.path !== value &&
        !message.path.startsWith(`${value.replace(/\/$/, '')}/`)
      )
        return false;
      if (key === 'sender' && value.startsWith(':') && message.sender !== value) return false;
      const index = /^arg(\d+)$/.exec(key ?? '')?.[1];
      if (index !== undefined && message.body[Number(index)] !== value) return false;
    }
    return true;
  };
}

/** As `dbus-monitor` prints it, about: patterns are written for that. */
export function render({ sender, path, interface: face, member, signature, body }: Message): string[] {
  const head = `signal sender=${sender} -> destination=(null destination) path=${path}; interface=${face}; member=${member}`;
  const names: Record<string, string> = {
    s: 'string',
    o: 'object path',
    g: 'signature',
    b: 'boolean',
    y: 'byte',
    n: 'int16',
    q: 'uint16',
    i: 'int32',
    u: 'uint32',
    x: 'int64',
    t: 'uint64',
    d: 'double',
  };
  const words = signature?.length === body.length ? signature.split('') : [];
  return [
    head,
    ...body.map((value, index) => {
      const kind = names[words[index] ?? ''] ?? (typeof value === 'string' ? 'string' : 'value');
      return `   ${kind} ${JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner)) ?? ''}`;
    }),
  ];
}
