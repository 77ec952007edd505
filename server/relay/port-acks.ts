import { ProtoType, type ProtoMsg } from '#proto';

/** Connections that one session may have open as far as this count goes: beyond it none is let through any more. */
const connectionLimit = 65_536;

/**
 * Counts the unanswered `forward`s of a device, connection by connection: an `ack` too many ends the process of
 * mender-connect, with every session of the device (`connect-protocol.md` §3.5, H-71).
 */
export class PortAcks {
  readonly #open = new Map<string, number>();

  /** A message from the device. */
  fromDevice({ hdr }: ProtoMsg): void {
    if (hdr.proto !== ProtoType.PortForward) return;
    const id = connectionOf(hdr.props);
    if (id === undefined) return;
    if (hdr.typ === 'forward' && (this.#open.has(id) || this.#open.size < connectionLimit))
      this.#open.set(id, (this.#open.get(id) ?? 0) + 1);
    if (hdr.typ === 'stop') this.#open.delete(id);
  }

  /** A message to the device; false: it is an `ack` that nobody waits for. */
  toDevice({ hdr }: ProtoMsg): boolean {
    if (hdr.proto !== ProtoType.PortForward || hdr.typ !== 'ack') return true;
    const id = connectionOf(hdr.props);
    const open = id === undefined ? 0 : (this.#open.get(id) ?? 0);
    if (id === undefined || open === 0) return false;
    if (open === 1) this.#open.delete(id);
    else this.#open.set(id, open - 1);
    return true;
  }
}

function connectionOf(props: ProtoMsg['hdr']['props']): string | undefined {
  const id = props?.['connection_id'];
  return typeof id === 'string' ? id : undefined;
}
