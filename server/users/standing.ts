import type { Permission } from '#proto/http/users';
import type { Stand } from '../relay/events.ts';
import type { Relay } from '../relay/relay.ts';
import type { LiveSockets } from '../live/socket.ts';
import type { Db } from '../store/store.ts';
import type { Logins } from './logins.ts';
import { reaches } from './reach.ts';

const loginGone = 'your login has ended';

type Revoked = (userId: string, tokenId?: string) => void;

export interface StandingDeps {
  readonly db: Db;
  readonly live: LiveSockets;
  readonly relay: Relay;
  readonly logins: () => Logins;
  readonly revoked: Revoked;
}

/** What stands on a right goes with it: sessions with devices, port forwards, file transfers, and what a page watches. */
export class Standing {
  readonly #db: Db;
  readonly #live: LiveSockets;
  readonly #relay: Relay;
  readonly #logins: () => Logins;
  readonly #revoked: Revoked;
  /** `revoked` tells the add-ons, which have sites and connections of their own. */
  constructor({ db, live, relay, logins, revoked }: StandingDeps) {
    this.#db = db;
    this.#live = live;
    this.#relay = relay;
    this.#logins = logins;
    this.#revoked = revoked;
  }

  loginsEnded(userId: string, tokenIds: readonly string[]): void {
    for (const tokenId of tokenIds) {
      this.#live.disconnectLogin(tokenId);
      this.#relay.disconnectUser(userId, loginGone, tokenId);
      this.#revoked(userId, tokenId);
    }
  }

  /** His roles are others, or say something else, or he is gone. What he may still do goes on. */
  async rightsChanged(userId: string): Promise<void> {
    this.#logins().forget(userId);
    this.#live.disconnectUser(userId);
    this.#revoked(userId);
    await this.#review((session) => session.userId === userId);
  }

  /** Devices have come into groups or left them. */
  async devicesMoved(deviceIds: readonly string[]): Promise<void> {
    const moved = new Set(deviceIds);
    await this.#review((session) => moved.has(session.deviceId));
  }

  /** What is decided for all is another thing now. */
  async policyChanged(): Promise<void> {
    this.#logins().forgetAll();
    this.#live.disconnectAll();
    await this.#review(() => true);
  }

  async #review(concerned: (session: Stand) => boolean): Promise<void> {
    for (const session of [...this.#relay.stands()].filter(concerned)) {
      const lost = await this.why(session);
      if (lost !== undefined) session.end(lost);
    }
  }

  /** Why a session has no ground any more; undefined: it has. */
  async why({ userId, tokenId, deviceId, rights }: Omit<Stand, 'end'>): Promise<string | undefined> {
    const user = await this.#logins().ofToken(tokenId, userId);
    if (!user) return loginGone;
    for (const right of rights)
      if (!(await reaches(this.#db, 'device', deviceId, user.permissions.scope(right as Permission))))
        return 'your rights on this device have changed';
    return undefined;
  }
}
