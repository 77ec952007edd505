import type { IncomingMessage } from 'node:http';
import { messageOf } from '#base/errors';
import { extensionsHeader, hasExtension, ProtoType, resumeExtension } from '#proto';
import { HttpError, notFound } from '../errors.ts';
import type { DeviceEnd, SessionEnd } from './bus.ts';
import type { Person, SessionEvent } from './events.ts';
import type { RelayOptions } from './options.ts';
import { checkOrigin } from './origin.ts';
import type { SessionFacts } from './session-facts.ts';
import type { Target } from './target.ts';
import { requestId, type Upgrade, type Upgrades } from './upgrades.ts';
import type { SessionUse } from './uses.ts';
import { UserSession } from './user-session.ts';

/** Where people come in: to a new session with a device, back to one of their own, or to somebody's terminal. */
export class Reception {
  readonly #options: RelayOptions;
  readonly #upgrades: Upgrades;
  readonly #sessionsPerDevice: number;

  constructor(options: RelayOptions, upgrades: Upgrades) {
    this.#options = options;
    this.#upgrades = upgrades;
    this.#sessionsPerDevice = options.sessionsPerDevice ?? 64;
  }

  /** Throws an HttpError: what `authorizeUser` throws, 403, 404, or 429 where the device has too many sessions. */
  async admit(upgrade: Upgrade, target: Target): Promise<void> {
    const { req } = upgrade;
    const options = this.#options;
    const person = await options.authorizeUser(req, target.deviceId);
    checkOrigin(req, options.hostOf?.(req) ?? req.headers.host, options.allowedOrigins ?? []);
    if (target.join !== undefined) await this.#join(upgrade, target.deviceId, target.join, person);
    else if (target.session !== undefined) await this.#goOn(upgrade, target.deviceId, target.session, person);
    else await this.#begin(upgrade, target, person);
  }

  /** For a plain request to a person's socket path: throws what an upgrade would be refused with. */
  async check(req: IncomingMessage, { deviceId, session, join }: Target): Promise<void> {
    const options = this.#options;
    await options.authorizeUser(req, deviceId);
    const known = session === undefined || options.bus.session(session) || (await options.recall(session));
    if (!known) throw ended();
    if (join !== undefined && !options.bus.session(join)) throw noTerminal();
    if (session === undefined) this.#connectedDevice(deviceId);
  }

  async #begin(upgrade: Upgrade, { deviceId, extensions }: Target, person: Person): Promise<void> {
    const { req } = upgrade;
    this.#connectedDevice(deviceId);
    const most = this.#sessionsPerDevice;
    if (this.#count(deviceId) >= most)
      throw new HttpError('too_many_requests', `too many sessions with this device, at most ${most}`);
    const opened = await this.#upgrades.accept(upgrade);
    const device = this.#connectedDevice(deviceId);
    const resume = hasExtension(req.headers[extensionsHeader] ?? extensions, resumeExtension);
    const session = new UserSession({ ...this.#sessionOptions(req), deviceId, person, device, resume });
    session.sit(opened, person);
    this.#options.log.debug('user connected', { sid: session.sid, user: person.userId, device: deviceId });
  }

  /** A person comes back to his session. Whether he still may was asked as for a new one; now whether it is his. */
  async #goOn(upgrade: Upgrade, deviceId: string, sid: string, person: Person): Promise<void> {
    const { bus, log } = this.#options;
    const session = await this.#resumable(upgrade.req, deviceId, sid, person);
    const opened = await this.#upgrades.accept(upgrade);
    if (bus.session(sid) !== session) return opened.close(1008, 'the session has ended');
    session.sit(opened, person);
    log.debug('user is back', { sid, user: person.userId, device: deviceId });
  }

  async #resumable(req: IncomingMessage, deviceId: string, sid: string, person: Person): Promise<UserSession> {
    const { bus } = this.#options;
    const mine = (session: { deviceId: string; userId: string } | undefined): boolean =>
      session?.deviceId === deviceId && session.userId === person.userId;
    let known = bus.session(sid);
    if (!known) {
      const recalled = await this.#options.recall(sid);
      // Whoever was quicker has brought it back meanwhile.
      known = bus.session(sid);
      if (!known && recalled && mine(recalled)) {
        const device = bus.device(deviceId);
        const one = { deviceId, person, device: device?.resumes ? device : undefined, resume: true };
        const session = new UserSession({
          ...this.#sessionOptions(req, Promise.resolve()),
          ...one,
          recalled: { ...recalled, sid },
        });
        await session.record().catch((error: unknown) => session.end(messageOf(error)));
        known = session;
      }
    }
    if (known instanceof UserSession && known.resumes && mine(known)) return known;
    throw ended();
  }

  /** A second person sits down at a terminal. It is in the log before he does. */
  async #join(upgrade: Upgrade, deviceId: string, sid: string, person: Person): Promise<void> {
    const { bus } = this.#options;
    const why = person.refuses(ProtoType.Shell);
    if (why !== undefined) throw new HttpError('forbidden', why);
    const session = bus.session(sid);
    if (!isTerminal(session) || session.deviceId !== deviceId) throw noTerminal();
    await this.#options.joined({ session: session.facts, person, request: this.#requestOf(upgrade.req) });
    const opened = await this.#upgrades.accept(upgrade);
    if (bus.session(sid) !== session) return opened.close(1008, 'the session has ended');
    session.welcome(opened, person);
  }

  /** `begun`: its beginning is in the log already, which is told of its end only after that, and else not at all. */
  #sessionOptions(req: IncomingMessage, begun?: Promise<void>) {
    const options = this.#options;
    const { bus, log } = options;
    const request = this.#requestOf(req);
    let opening = begun;
    const write = (type: SessionEvent['type'], session: SessionFacts, use?: SessionUse): Promise<void> =>
      options.audit({ type, session, request, ...(use ? { use } : {}) });
    return {
      bus,
      log,
      quota: options.sessionQuota ?? 0,
      record: ({ facts }: UserSession) => options.record(facts),
      speaker: (proto: number) => options.speaker?.(proto),
      opened: ({ facts }: UserSession) => (opening = write('opened', facts)),
      used: ({ facts }: UserSession, use: SessionUse) => write('used', facts, use),
      closed({ facts }: UserSession): void {
        opening
          ?.catch(() => undefined)
          .then(() => write('closed', facts))
          .catch((error: unknown) =>
            log.error('end of a session not logged', { sid: facts.sid, error: messageOf(error) }),
          );
      },
    };
  }

  #requestOf(req: IncomingMessage): SessionEvent['request'] {
    const address = this.#options.addressOf?.(req) ?? req.socket.remoteAddress ?? '';
    return { id: requestId(req), address, userAgent: req.headers['user-agent'] };
  }

  #connectedDevice(deviceId: string): DeviceEnd {
    const device = this.#options.bus.device(deviceId);
    if (!device) throw notFound('failed to connect to device: device disconnected');
    return device;
  }

  #count(deviceId: string): number {
    let n = 0;
    for (const session of this.#options.bus.sessions()) if (session.deviceId === deviceId) n++;
    return n;
  }
}

const isTerminal = (session: SessionEnd | undefined): session is UserSession =>
  session instanceof UserSession && session.facts.kind === 'terminal';

const ended = (): HttpError => notFound('the session has ended');
const noTerminal = (): HttpError => notFound('there is no such terminal on this device');
