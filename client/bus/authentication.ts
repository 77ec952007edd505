import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { authentication } from '#proto/dbus';
import type { Service } from './serve.ts';

/** What other programs on the device may ask of us: token and forwarder, both empty while there is no authorization. */
export interface Granted {
  readonly token: string;
  readonly url: string;
}

export interface AuthenticationOptions {
  readonly granted: () => Granted;
  /** Starts a fetch (or joins the one that runs) and returns at once. */
  readonly fetch: () => void;
  /** Calls the listener after each fetch, once the forwarder is ready; returns how to stop that. */
  readonly subscribe: (listener: (granted: Granted) => void) => () => void;
  readonly log: Log;
}

/** The service io.mender.AuthenticationManager (`connect-protocol.md` §6). */
export function authenticationService({ granted, fetch, subscribe, log }: AuthenticationOptions): Service {
  return {
    name: authentication.name,
    path: authentication.path,
    lost: 'Connect and others get no token',
    create: ({ interface: { Interface } }) => {
      class Authentication extends Interface {
        getJwtToken(): string[] {
          const { token, url } = granted();
          return [token, url];
        }
        fetchJwtToken(): boolean {
          fetch();
          return true;
        }
        tokenStateChange({ token, url }: Granted): string[] {
          return [token, url];
        }
      }
      Authentication.configureMembers({
        methods: {
          getJwtToken: { name: authentication.getJwtToken.name, outSignature: authentication.getJwtToken.out },
          fetchJwtToken: { name: authentication.fetchJwtToken.name, outSignature: authentication.fetchJwtToken.out },
        },
        signals: { tokenStateChange: { ...authentication.tokenStateChange } },
      });
      const face = new Authentication(authentication.interface);
      const follow = () =>
        subscribe((now) => {
          try {
            face.tokenStateChange(now);
          } catch (error) {
            log.warn('D-Bus signal lost', { error: messageOf(error) });
          }
        });
      return { face, follow };
    },
  };
}
