import dbus from 'dbus-next';
import { label } from './service.ts';

const { Interface } = dbus.interface;

class Manager extends Interface {
  readonly units = new Map<string, Unit>();
  SystemState = 'running';
  subscribed = 0;
  constructor() {
    super('org.freedesktop.systemd1.Manager');
  }
  Subscribe(): void {
    this.subscribed += 1;
    if (this.subscribed > 1)
      throw new dbus.DBusError('org.freedesktop.systemd1.AlreadySubscribed', 'Client is already subscribed.');
  }
  LoadUnit(name: string): string {
    return `/org/freedesktop/systemd1/unit/${label(name)}`;
  }
  Reloading(active: boolean): boolean {
    return active;
  }
}
Manager.configureMembers({
  properties: { SystemState: { signature: 's', access: 'read' } },
  methods: { Subscribe: { inSignature: '', outSignature: '' }, LoadUnit: { inSignature: 's', outSignature: 'o' } },
  signals: { Reloading: { signature: 'b' } },
});

class Unit extends Interface {
  ActiveState = 'active';
  SubState = 'running';
  LoadState = 'loaded';
  constructor() {
    super('org.freedesktop.systemd1.Unit');
  }
}
Unit.configureMembers({
  properties: {
    ActiveState: { signature: 's', access: 'read' },
    SubState: { signature: 's', access: 'read' },
    LoadState: { signature: 's', access: 'read' },
  },
});

/** What speaks `org.freedesktop.systemd1` on a bus of the test's own, as far as Monitor listens. */
export class SmallSystemd implements Disposable {
  readonly #bus: dbus.MessageBus;
  readonly manager = new Manager();

  private constructor(bus: dbus.MessageBus) {
    this.#bus = bus;
  }

  static async start(busAddress: string, ...units: string[]): Promise<SmallSystemd> {
    const bus = dbus.sessionBus({ busAddress });
    bus.on('error', () => undefined);
    const own = new SmallSystemd(bus);
    bus.export('/org/freedesktop/systemd1', own.manager);
    for (const name of units) {
      const unit = new Unit();
      own.manager.units.set(name, unit);
      bus.export(`/org/freedesktop/systemd1/unit/${label(name)}`, unit);
    }
    await bus.requestName('org.freedesktop.systemd1', 4);
    return own;
  }

  set(name: string, active: string, sub: string): void {
    const unit = this.manager.units.get(name)!;
    unit.ActiveState = active;
    unit.SubState = sub;
    Interface.emitPropertiesChanged(unit, { ActiveState: active, SubState: sub });
  }

  [Symbol.dispose](): void {
    this.#bus.disconnect();
    this.#bus._connection.stream.destroy();
  }
}
