import type { Command } from 'commander';
import type { Enrolment, RecoveryCodes, SecondFactor } from '#proto/http/users';
import { secondFactorPath, useradm } from '#proto/http/paths';
import { objectOf } from '../answer.ts';
import type { Context } from '../context.ts';
import { failed } from '../failure.ts';
import { plain } from '../io.ts';
import { ask, confirm } from '../prompt.ts';
import { findUser } from './find-user.ts';

/** `users 2fa`: codes by time beside the password. */
export function secondFactorCommands(command: Command, context: Context): void {
  command
    .command('status', { isDefault: true })
    .summary('whether yours is on (what `patchbay users 2fa` does)')
    .description('Whether your second factor is on.')
    .action(() => status(context));
  command
    .command('on')
    .summary('set yours up')
    .description('Set up your second factor: scan a QR code, then type a code. Your other logins end.')
    .action(() => switchOn(context));
  command
    .command('off')
    .summary('switch yours off, or that of a user who has lost it')
    .description('Switch your second factor off, or that of another user who has lost it.')
    .argument('[email]', 'another user: email or id')
    .option('-y, --yes', 'do not ask')
    .action((email: string | undefined, options: { yes?: boolean }) => switchOff(context, email, options));
  command
    .command('recovery-codes')
    .summary('new recovery codes in place of your old ones')
    .description('Make new recovery codes; the old ones are void.')
    .action(() => renew(context));
}

async function read(context: Context): Promise<SecondFactor> {
  const answer = await (await context.http()).json('GET', secondFactorPath, { what: 'the second factor' });
  return objectOf(answer, { status: 'string', required: 'boolean', recovery_codes_left: 'number' }, 'second factor');
}

async function status(context: Context): Promise<void> {
  const factor = await read(context);
  context.show(factor, () => {
    const wanted = factor.required ? ', and this server wants it of everybody' : '';
    if (factor.status !== 'on') return `your second factor is off${wanted}: 'patchbay users 2fa on' sets it up\n`;
    return `your second factor is on${wanted}; ${factor.recovery_codes_left} recovery codes are left\n`;
  });
}

async function switchOn(context: Context): Promise<void> {
  const http = await context.http();
  const answer = await http.json('GET', `${useradm}/2faqr`, { what: 'your second factor' });
  const { uri, secret } = objectOf<Enrolment>(answer, { uri: 'string', secret: 'string' }, 'the second factor');
  const { renderUnicodeCompact } = await import('uqr');
  // On the error output: the recovery codes alone are what a script, or a file, is to have.
  context.note(renderUnicodeCompact(uri, { border: 2 }));
  context.note(`Scan this with an authenticator, or type its key: ${plain(secret)}`);
  const token2fa = await ask(context.io, 'Code that it shows', {}, context.signal);
  showCodes(context, await http.json('PUT', `${useradm}/2faverify`, { json: { token2fa }, what: 'that code' }));
}

async function switchOff(context: Context, wanted: string | undefined, { yes }: { yes?: boolean }): Promise<void> {
  const http = await context.http();
  if (wanted !== undefined) {
    const { id, email } = await findUser(http, wanted);
    await confirm(context.io, `Switch off the second factor of ${plain(email)}?`, yes, context.signal);
    await http.request('POST', `${useradm}/users/${id}/2fa/disable`, { json: {}, what: `user ${email}` });
    return context.note(`the second factor of ${plain(email)} is off`);
  }
  if ((await read(context)).status === 'off') return context.note('your second factor is off already');
  const token2fa = await ask(context.io, 'Code of the second factor, or a recovery code', {}, context.signal);
  const json = { token2fa };
  await http.request('POST', `${useradm}/users/me/2fa/disable`, { json, what: 'your second factor' });
  context.note('your second factor is off');
}

async function renew(context: Context): Promise<void> {
  const http = await context.http();
  if ((await read(context)).status !== 'on')
    throw failed("your second factor is off: 'patchbay users 2fa on' sets it up");
  const token2fa = await ask(context.io, 'Code of the second factor', {}, context.signal);
  const answer = await http.json('POST', `${secondFactorPath}/recovery-codes`, {
    json: { token2fa },
    what: 'that code',
  });
  showCodes(context, answer);
}

function showCodes(context: Context, answer: unknown): void {
  const { recovery_codes: codes } = objectOf<RecoveryCodes>(answer, { recovery_codes: 'array' }, 'recovery codes');
  context.note('Keep these recovery codes where you find them without your telephone; each works once:');
  context.show({ recovery_codes: codes }, () => `${codes.map(plain).join('\n')}\n`);
}
