import type { QueryClient } from '@tanstack/react-query';
import { io } from 'socket.io-client';
import { livePath, type LiveEvents } from '#proto/http/live';
import { addonKeys } from './api/addon-changes.ts';
import { auditKeys } from './api/audit.ts';
import { deploymentKeys } from './api/deployments.ts';
import { deviceKeys } from './api/devices.ts';
import { groupKeys } from './api/groups.ts';
import { inventoryKeys } from './api/inventory.ts';
import { sessionKeys } from './api/open-sessions.ts';
import { notePresence } from './api/presence.ts';
import { releaseKeys } from './api/releases.ts';
import { StaleAnswers } from './api/stale.ts';
import { readToken } from './api/token.ts';
import { userKeys } from './api/users.ts';

export type LiveState = 'connecting' | 'live' | 'lost';

/** How long after a refusal the server is asked again, ms. */
const askAgain = 2000;

interface Live {
  readonly state: LiveState;
  subscribe(listener: () => void): () => void;
  close(): void;
}

/**
 * Joins the server's events to the kept answers: an event names what changed, and what a page shows of it is asked for
 * again. Whatever was missed while the link was down is made good by asking for all of it once it is back.
 */
export function connectLive(client: QueryClient): Live {
  let state: LiveState = 'connecting';
  const listeners = new Set<() => void>();
  const become = (next: LiveState) => {
    state = next;
    for (const listener of listeners) listener();
  };

  const stale = new StaleAnswers(client);
  const socket = io({
    path: livePath,
    transports: ['websocket', 'polling'],
    auth: (give) => give({ token: readToken() }),
    reconnectionDelay: 500,
    reconnectionDelayMax: 10_000,
  });
  let wasLost = false;
  socket.on('connect', () => {
    become('live');
    if (wasLost) {
      void client.invalidateQueries();
      client.setQueryData<number>(addonKeys.any, (count = 0) => count + 1);
    }
    wasLost = false;
  });
  // A server that ends the link itself (a role has changed, a token is no longer taken) or refuses it is not asked again
  // by the library. Who one is now is asked first: if the token is the reason, that leads to the login page.
  let again: ReturnType<typeof setTimeout> | undefined;
  const lose = () => {
    wasLost = true;
    become('lost');
    if (socket.active) return;
    clearTimeout(again);
    again = setTimeout(() => {
      void client.invalidateQueries({ queryKey: userKeys.me });
      socket.connect();
    }, askAgain);
  };
  socket.on('disconnect', lose);
  socket.on('connect_error', lose);

  const on: { [E in keyof LiveEvents]: LiveEvents[E] } = {
    device: ({ id }) => stale.add(deviceKeys.lists, deviceKeys.counts, deviceKeys.one(id), inventoryKeys.all),
    presence: ({ id, connected }) => notePresence(client, id, connected ? 'connected' : 'disconnected'),
    // Groups are attributes, and filters look at all of them.
    inventory: ({ id }) => stale.add(inventoryKeys.lists, inventoryKeys.one(id), groupKeys.all, deviceKeys.found),
    deployment: ({ id, device }) => {
      stale.add(deploymentKeys.lists, deploymentKeys.one(id), deploymentKeys.devices(id));
      if (device) stale.add(deploymentKeys.ofDevice(device), deploymentKeys.log(id, device));
      else stale.add(deploymentKeys.ofDevices);
    },
    release: () => stale.add(releaseKeys.all),
    addon: ({ addon, id }) => {
      client.setQueryData<number>(addonKeys.changes(addon, id), (count = 0) => count + 1);
      stale.add(addonKeys.count(addon));
    },
    session: () => stale.add(auditKeys.all, sessionKeys.all),
  };
  for (const [event, listener] of Object.entries(on)) socket.on(event, listener as (event: unknown) => void);

  return {
    get state() {
      return state;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      stale.close();
      clearTimeout(again);
      listeners.clear();
      socket.off();
      socket.close();
    },
  };
}
