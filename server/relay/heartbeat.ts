import { WebSocket } from 'ws';

export interface HeartbeatTimes {
  /** Between two pings to one socket, ms: under 25 s for proxies that cut what is quiet (ask-4, H-80). */
  readonly ping: number;
  /** Without a sign of life a socket is dead, ms. */
  readonly dead: number;
}

export const heartbeatTimes: HeartbeatTimes = { ping: 20_000, dead: 55_000 };

interface Beat {
  readonly socket: WebSocket;
  /** Tick of the last sign of life. */
  heard: number;
}

const slices = 20;

/**
 * Pings all sockets and ends those that are silent. One timer for all of them, which visits a twentieth each time: ten
 * thousand devices neither have a timer each nor are pinged at the same moment.
 */
export class Heartbeat {
  readonly #wheel: Set<Beat>[] = Array.from({ length: slices }, () => new Set());
  readonly #deadTicks: number;
  readonly #payload: string;
  readonly #timer: NodeJS.Timeout;
  #tick = 0;
  #next = 0;

  constructor({ ping, dead }: HeartbeatTimes = heartbeatTimes) {
    // A socket is visited once in a round: it must be found dead on the last visit before its time is over.
    this.#deadTicks = Math.max(1, Math.floor(((dead - ping) / ping) * slices));
    this.#payload = String(Math.round(dead / 1000));
    this.#timer = setInterval(() => this.#visit(), ping / slices);
    this.#timer.unref();
  }

  /** Watches a socket until it closes. Any frame of the peer is a sign of life. */
  watch(socket: WebSocket): void {
    const beat: Beat = { socket, heard: this.#tick };
    const slice = this.#wheel[this.#next++ % slices]!;
    slice.add(beat);
    const heard = (): void => void (beat.heard = this.#tick);
    socket.on('message', heard);
    socket.on('ping', heard);
    socket.on('pong', heard);
    socket.once('close', () => slice.delete(beat));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #visit(): void {
    this.#tick++;
    for (const beat of this.#wheel[this.#tick % slices]!) {
      const { socket } = beat;
      // We do not listen to it, so its silence says nothing.
      if (socket.isPaused) beat.heard = this.#tick;
      if (this.#tick - beat.heard > this.#deadTicks) socket.terminate();
      else if (socket.readyState === WebSocket.OPEN) socket.ping(this.#payload);
    }
  }
}
