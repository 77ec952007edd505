import { Type } from 'typebox';
import { Text } from '#proto/http/conventions';
import { Enrolment, RecoveryCodes, SecondFactor, secondFactorPath, useradm, type User } from '#proto/http/users';
import { forbidden, unprocessable } from '../errors.ts';
import { callerId, empty, json, route, type Context, type Route } from '../http/route.ts';
import type { Policies } from './policy.ts';
import { qrPng } from './qr-png.ts';
import type { SecondFactors } from './second-factor.ts';
import { checkGiver } from './role-store.ts';
import { givenBy, type UserDeps } from './routes.ts';

/** What proves that it is the user himself and not somebody at his open browser. */
const Proof = Type.Object({ token2fa: Type.Optional(Text(64)), current_password: Type.Optional(Text(256)) });
const Code = Type.Object({ token2fa: Text(64, 6) });

export interface FactorDeps extends UserDeps {
  readonly factors: SecondFactors;
  readonly policies: Policies;
}

/** The second factor, by the reference's paths (`server-api.md` §4.5) where it has them. */
export function secondFactorRoutes({ users, roles, logins, factors, policies }: FactorDeps): Route[] {
  const prove = async (
    id: string,
    { token2fa, current_password }: { token2fa?: string; current_password?: string },
  ) => {
    if (token2fa === undefined) return users.checkCurrentPassword(id, current_password);
    if (!(await factors.accepts(id, token2fa))) throw unprocessable('that code is wrong or was used already');
  };
  /** The user of the path, who is the caller himself (`me` too), or somebody whom he may manage. */
  const meant = async (context: Context): Promise<{ user: User; own: boolean }> => {
    const id = context.params['id'] === 'me' ? callerId(context) : (context.params['id'] ?? '');
    const own = id === callerId(context);
    if (!own && (context.caller.kind !== 'user' || !context.caller.permissions.has('users:manage')))
      throw forbidden('your roles do not include the permission users:manage');
    const user = await users.get(id);
    if (!own) checkGiver(await roles.rightsOf(user.roles), givenBy(context));
    return { user, own };
  };
  const turned = async (id: string): Promise<void> => {
    // What was opened without it is not to outlast it; and whoever had to enrol first may go on now.
    logins.forget(id);
  };
  return [
    route(
      {
        method: 'GET',
        path: secondFactorPath,
        access: 'user',
        summary: 'My second factor',
        responses: { 200: { description: 'whether it is on', body: SecondFactor } },
      },
      async (context) => {
        const id = callerId(context);
        return json(200, {
          status: await factors.state(id),
          required: await policies.secondFactorRequired(),
          recovery_codes_left: await factors.recoveryCodesLeft(id),
        });
      },
    ),
    route(
      {
        method: 'POST',
        path: `${useradm}/users/{id}/2fa/enable`,
        access: 'user',
        summary: 'Begin to set up my second factor: its key is at 2faqr, it is on after 2faverify',
        audit: 'second_factor_begin',
        responses: { 200: { description: 'begun' }, 409: { description: 'it is on already' } },
      },
      async (context) => {
        const { user, own } = await meant(context);
        context.note({ object: { type: 'user', id: user.id, name: user.email } });
        if (!own) throw forbidden('only the user himself can set up his second factor');
        await factors.enrolment(user.id, user.email);
        return empty(200);
      },
    ),
    route(
      {
        method: 'GET',
        path: `${useradm}/2faqr`,
        access: 'user',
        summary: 'The key of the second factor that I am setting up, for an authenticator',
        responses: { 200: { description: 'the key', body: Enrolment }, 409: { description: 'it is on already' } },
      },
      async (context) => {
        const user = await users.get(callerId(context));
        const { secret, uri } = await factors.enrolment(user.id, user.email);
        return json(200, { qr: qrPng(uri).toString('base64'), uri, secret }, { 'Cache-Control': 'no-store' });
      },
    ),
    route(
      {
        method: 'PUT',
        path: `${useradm}/2faverify`,
        access: 'user',
        summary: 'Switch my second factor on with a code of its new key; my other logins end',
        body: Code,
        audit: 'second_factor_on',
        responses: {
          200: { description: 'on; the recovery codes are shown this once', body: RecoveryCodes },
          422: { description: 'wrong code' },
        },
      },
      async (context) => {
        const id = callerId(context);
        context.note({ object: { type: 'user', id } });
        const codes = await factors.confirm(id, context.body.token2fa);
        await turned(id);
        await logins.endOthers(id, context.caller.kind === 'user' ? context.caller.tokenId : undefined, 'session');
        return json(200, { recovery_codes: codes }, { 'Cache-Control': 'no-store' });
      },
    ),
    route(
      {
        method: 'POST',
        path: `${useradm}/users/{id}/2fa/disable`,
        access: 'user',
        summary: 'Switch off a second factor: one’s own by a code or the password, that of another who has lost his',
        body: Proof,
        optionalBody: true,
        audit: 'second_factor_off',
        responses: { 200: { description: 'off' }, 422: { description: 'no code, no password' } },
      },
      async (context) => {
        const { user, own } = await meant(context);
        context.note({
          object: { type: 'user', id: user.id, name: user.email },
          details: { by: own ? 'user' : 'administrator' },
        });
        if (own && (await factors.state(user.id)) === 'on') await prove(user.id, context.body ?? {});
        await factors.switchOff(user.id);
        await turned(user.id);
        return empty(200);
      },
    ),
    route(
      {
        method: 'POST',
        path: `${secondFactorPath}/recovery-codes`,
        access: 'user',
        summary: 'New recovery codes in place of the old ones',
        body: Proof,
        audit: 'recovery_codes',
        responses: { 200: { description: 'shown this once', body: RecoveryCodes }, 422: { description: 'no proof' } },
      },
      async (context) => {
        const id = callerId(context);
        context.note({ object: { type: 'user', id } });
        if ((await factors.state(id)) !== 'on') throw unprocessable('your second factor is not on');
        await prove(id, context.body);
        return json(200, { recovery_codes: await factors.renewRecoveryCodes(id) }, { 'Cache-Control': 'no-store' });
      },
    ),
  ];
}
