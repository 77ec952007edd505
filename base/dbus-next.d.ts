// The package declares its types under its upstream name only; this is the part that client and connect use.
declare module 'dbus-next' {
  import type { EventEmitter } from 'node:events';

  export class Message {
    constructor(fields: {
      path: string;
      destination: string;
      interface: string;
      member: string;
      signature?: string;
      body?: unknown[];
      flags?: number;
    });
    readonly path: string;
    readonly interface: string;
    readonly member: string;
    readonly sender: string;
    readonly signature: string;
    readonly body: unknown[];
  }

  export const MessageFlag: { readonly NO_AUTO_START: 2 };

  /** Thrown by a method: the caller gets type and text, and no stack. */
  export class DBusError extends Error {
    constructor(type: string, text: string);
    readonly type: string;
  }

  interface MemberOptions {
    name?: string;
    inSignature?: string;
    outSignature?: string;
    signature?: string;
  }

  namespace interfaces {
    class Interface {
      constructor(name: string);
      /** `changed` by the names on the bus. */
      static emitPropertiesChanged(face: Interface, changed: Readonly<Record<string, unknown>>): void;
      /** A property is read from the member of the class that has its name on the bus. */
      static configureMembers(members: {
        properties?: Record<string, { signature: string; access: 'read' }>;
        methods?: Record<string, MemberOptions>;
        signals?: Record<string, MemberOptions>;
      }): void;
    }
  }
  export { interfaces as interface };

  /** Emits `connect`, `error` and `message`; says nothing when the bus ends: watch `_connection.stream`. */
  export interface MessageBus extends EventEmitter {
    readonly name: string | null;
    /** The library has no event for the end of the bus: its stream has. */
    readonly _connection: { readonly stream: EventEmitter & { destroy(): void } };
    call(message: Message): Promise<Message>;
    send(message: Message): void;
    /** 1: we own the name. */
    requestName(name: string, flags: number): Promise<number>;
    export(path: string, member: interfaces.Interface): void;
    disconnect(): void;
    on(event: 'message', listener: (message: Message) => void): this;
    on(event: 'error', listener: (error: unknown) => void): this;
    on(event: 'connect', listener: () => void): this;
  }
  export function systemBus(): MessageBus;
  export function sessionBus(options?: { busAddress?: string }): MessageBus;
}
