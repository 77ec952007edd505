import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dbus from 'dbus-next';
import { authentication as auth } from '#proto/dbus';

/** A D-Bus daemon of the test's own, at an address that outlives it: a restart is the same bus again. */
export class PrivateBus implements AsyncDisposable {
  readonly #folder: string;
  #daemon: ReturnType<typeof spawn> | undefined;
  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** `startable`: programs that the bus starts when somebody wants their name. */
  static async start(startable: Readonly<Record<string, string>> = {}): Promise<PrivateBus> {
    const bus = new PrivateBus(await mkdtemp(join(tmpdir(), 'patchbay-bus-')));
    const services = join(bus.#folder, 'services');
    await mkdir(services);
    for (const [name, program] of Object.entries(startable))
      await writeFile(join(services, `${name}.service`), `[D-BUS Service]\nName=${name}\nExec=${program}\n`);
    await writeFile(
      join(bus.#folder, 'bus.conf'),
      `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
        "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
      <busconfig><listen>${bus.address}</listen><auth>EXTERNAL</auth><servicedir>${services}</servicedir>
        <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
      </busconfig>`,
    );
    await bus.up();
    return bus;
  }

  get address(): string {
    return `unix:path=${join(this.#folder, 'bus')}`;
  }

  async up(): Promise<void> {
    const file = join(this.#folder, 'bus.conf');
    const daemon = spawn('dbus-daemon', [`--config-file=${file}`, '--nofork', '--print-address'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#daemon = daemon;
    await once(daemon.stdout, 'data');
  }

  async down(): Promise<void> {
    const daemon = this.#daemon;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const gone = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await gone;
    await rm(join(this.#folder, 'bus'), { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The client's side of the D-Bus contract, with a token that the test sets. No introspection, as mender-auth 4. */
export class TokenService implements Disposable {
  readonly #bus: dbus.MessageBus;
  readonly #face: Face;
  asked = 0;
  private constructor(bus: dbus.MessageBus, face: Face) {
    this.#bus = bus;
    this.#face = face;
  }

  static async start(busAddress: string, token: string, serverUrl: string): Promise<TokenService> {
    const bus = dbus.sessionBus({ busAddress });
    bus.on('error', () => undefined);
    const face = new Face(token, serverUrl);
    const service = new TokenService(bus, face);
    face.asked = () => service.asked++;
    bus.export(auth.path, face);
    await bus.requestName(auth.name, 4);
    return service;
  }

  /** Sets the pair and signals it, as after every attempt to fetch a token. */
  announce(token: string, serverUrl: string): void {
    this.#face.pair = [token, serverUrl];
    this.#face.changed();
  }

  /** Signals the pair again, unchanged. */
  repeat(): void {
    this.#face.changed();
  }

  [Symbol.dispose](): void {
    this.#bus.disconnect();
    this.#bus._connection.stream.destroy();
  }
}

class Face extends dbus.interface.Interface {
  pair: [string, string];
  asked: () => void = () => undefined;
  constructor(token: string, serverUrl: string) {
    super(auth.interface);
    this.pair = [token, serverUrl];
  }
  [auth.getJwtToken.name](): string[] {
    this.asked();
    return this.pair;
  }
  [auth.fetchJwtToken.name](): boolean {
    return true;
  }
  [auth.tokenStateChange.name](): string[] {
    return this.pair;
  }
  changed(): void {
    this[auth.tokenStateChange.name]();
  }
}

Face.configureMembers({
  methods: {
    [auth.getJwtToken.name]: { inSignature: '', outSignature: auth.getJwtToken.out },
    [auth.fetchJwtToken.name]: { inSignature: '', outSignature: auth.fetchJwtToken.out },
  },
  signals: { [auth.tokenStateChange.name]: { signature: auth.tokenStateChange.signature } },
});
