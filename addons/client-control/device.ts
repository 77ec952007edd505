import { messageOf } from '#base/errors';
import { defineDevice } from '#addon/device';
import { tell } from './client.ts';
import manifest from './manifest.ts';
import { ClientStatus, type Message } from './protocol.ts';

const utf8 = new TextEncoder();

/** Answers when the client was told; what comes of it is in its log and at the server. */
export default defineDevice(manifest, (device, config) => {
  if (config.MenderClient.Disable) return {};
  return {
    refuse: (typ, why) => failure(typ, why.code === 'unknown_message' ? 'unknown message type' : why.message),

    async serve(session) {
      for await (const { typ } of session) {
        try {
          await tell(typ, config.MenderClient, session.signal);
          device.log.info('client told', { word: typ, user: session.userId });
          session.send({ typ, props: { status: ClientStatus.Normal }, body: new Uint8Array() });
        } catch (error) {
          device.log.warn('client not told', { word: typ, user: session.userId, error: messageOf(error) });
          session.send(failure(typ, messageOf(error)));
        }
      }
    },
  };
});

/** The type is echoed, known or not. */
const failure = (typ: string, why: string): Message => ({
  typ: typ as Message['typ'],
  props: { status: ClientStatus.Error },
  body: utf8.encode(why),
});
