// Where the published document and the code that clients were tested against differ (`server-api.md` §7), and what cannot
// succeed without a device at the other end. Nothing is left out without a reason here.
import type { Operation } from './document.ts';

const differences: readonly (readonly [name: RegExp, status: number, why: string])[] = [
  [/^GET .*\/download\/configuration\//, 200, 'an artifact, as every client wants it; the document says JSON'],
  [/^GET .*\/inventory\/devices\/\{id\}\/group$/, 200, 'group is null for a device without one (§2.4)'],
  [/^POST .*\/filters\/search$/, 200, 'no Link header (§7)'],
  [/^POST .*\/iot-manager\/integrations$/, 409, 'one integration of any kind (§2.9)'],
  [/^POST .*\/auth_requests$/, 200, 'a bare token (§1.1); the document says JSON'],
  [/^POST .*\/useradm\/settings\/tokens$/, 200, 'a bare token (§2.8); the document says JSON'],
  [/^(PATCH|DELETE) .*\/groups\/\{name\}\/devices$/, 200, 'counts of zero are left out (§2.4)'],
  [/^DELETE .*\/groups\/\{name\}$/, 200, 'counts of zero are left out (§2.4)'],
];

/** Why an answer that is not as the document has it is right; undefined: it is not. */
export const excuse = (operation: Operation, status: number): string | undefined =>
  differences.find(([name, of]) => of === status && name.test(operation.name))?.[2];

const devices = 'needs a device that is connected';
const never: readonly (readonly [name: RegExp, why: string])[] = [
  [/^GET .*\/deviceconnect\/connect$/, 'a WebSocket: test/relay.test.ts'],
  [/^GET .*\/devices\/\{id\}\/connect$/, 'a WebSocket: test/relay.test.ts'],
  [/^GET .*\/playback$/, 'a WebSocket, of a session that was recorded: the tests of playback'],
  [/^(GET|PUT) .*\/deviceconnect\/devices\/\{id\}\/(download|upload)$/, `${devices}: test/files-and-ports.test.ts`],
  [/iot-manager\/devices\//, 'states are kept by clouds, and this server has webhooks (docs/administration.md)'],
  [/^POST .*\/v2\/deployments\/deployments$/, 'needs devices that a saved filter finds: the tests of deployments'],
];

/** Why an operation cannot succeed in this runner, and where it does; undefined: it should. */
export const neverGood = (name: string): string | undefined => never.find(([pattern]) => pattern.test(name))?.[1];
