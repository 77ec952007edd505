import { messageOf } from '#base/errors';
import { defineDevice } from '#addon/device';
import { askedTerms, grant, largeChunk, type Room, type Terms } from '#proto';
import { dialTcp, dialUdp, type Connection } from './dial.ts';
import manifest from './manifest.ts';
import { noBody, type Message } from './protocol.ts';

/** What one connection of ours may have under way to the device at most, and all of them together, bytes. */
const windowLimit = 4 * 1024 * 1024;
const windowBudget = 32 * 1024 * 1024;

const incomplete = 'invalid port-forward message: missing connection_id, remote_port or protocol';

/** Dials from the device's own place in the network, for as long as the session lasts. */
export default defineDevice(manifest, (device, config) => {
  /** Connections of all sessions. */
  let count = 0;
  if (config.Disable) return {};

  return {
    refuse: (typ, why) => failure(typ, why.code === 'unknown_message' ? 'unknown message type' : incomplete),

    async serve(session) {
      const connections = new Map<string, Connection>();
      try {
        for await (const message of session) handle(message);
      } finally {
        for (const connection of connections.values()) connection.destroy();
        count -= connections.size;
      }

      function handle(message: Message): void {
        const id = message.props.connection_id;
        if (message.typ === 'error') return;
        if (message.typ === 'new') return open(id, message);
        const connection = id === undefined ? undefined : connections.get(id);
        if (id === undefined || !connection) return fail(message.typ, 'unknown connection', id);
        switch (message.typ) {
          case 'forward':
            if (!connection.take(message.body)) {
              connection.destroy();
              forget(id);
              fail('forward', 'more data than the window allows', id);
            }
            break;
          case 'ack':
            connection.acknowledge(message.props.received);
            break;
          case 'end':
            connection.peerEnded();
            break;
          case 'stop':
            forget(id);
            void connection.stop().then(() => session.send({ typ: 'stop', props: { connection_id: id } }));
            break;
        }
      }

      function open(id: string | undefined, { props, body }: Extract<Message, { typ: 'new' }>): void {
        const { remote_host: host, remote_port: port, protocol } = body;
        if (!id || !host || !port || !protocol || port < 1 || port > 0xffff) return fail('new', incomplete, id);
        if (protocol !== 'tcp' && protocol !== 'udp') return fail('new', `unknown protocol: ${protocol}`, id);
        if (connections.has(id)) return fail('new', `connection ${id} is open already`, id);
        if (count >= config.MaxConnections)
          return fail('new', `too many connections through this device, at most ${config.MaxConnections}`, id);
        const peer = askedTerms(props);
        const dial = protocol === 'tcp' ? dialTcp : dialUdp;
        const connection = dial({
          id,
          host,
          port,
          wire: session,
          patient: peer !== undefined,
          connected: () => {
            const ours = peer && terms(peer);
            session.send({
              typ: 'new',
              props: { connection_id: id, ...(ours ? grant(ours) : {}) },
              body: noBody,
            } as unknown as Message);
            if (peer && ours) connection.extend(peer, ours);
          },
          refused: (why) => {
            forget(id);
            fail('new', why, id);
          },
          closed: (error) => {
            if (!forget(id)) return;
            if (error) device.log.debug('connection failed', { id, host, port, error: messageOf(error) });
            session.send({ typ: 'stop', props: { connection_id: id } });
          },
        });
        connections.set(id, connection);
        count++;
      }

      function forget(id: string): boolean {
        if (!connections.delete(id)) return false;
        count--;
        return true;
      }

      function fail(typ: string, err: string, id?: string): void {
        session.send(failure(typ, err, id));
      }
    },
  };

  /** As much as is asked for, while few connections share the device's memory. */
  function terms(peer: Terms): Room {
    const window = Math.min(peer.window, windowLimit, Math.max(largeChunk, Math.floor(windowBudget / (count + 1))));
    return { window, chunk: Math.min(largeChunk, window) };
  }
});

/** The reference names no connection here; ours does where it can, and others read over it (PF-4). */
function failure(typ: string, err: string, id?: string): Message {
  return {
    typ: 'error',
    props: id === undefined ? {} : { connection_id: id },
    body: { err, ...(typ ? { msgtype: typ } : {}) },
  };
}
