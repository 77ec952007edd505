import type { Command } from 'commander';
import { useradm } from '#proto/http/paths';
import type { Context } from '../context.ts';
import { CodedError, codeOf } from '#base/errors';
import { failed } from '../failure.ts';
import { Refusal } from '../http.ts';
import { serverAddress } from '../profile.ts';
import { ask, firstLine } from '../prompt.ts';

interface Options {
  readonly user?: string;
  readonly passwordStdin?: boolean;
  readonly token2fa?: string;
}

export default function login(command: Command, context: Context): void {
  command
    .argument('[url]', 'the server; else --server, PATCHBAY_SERVER or that of the last login')
    .option('-u, --user <email>', 'who logs in; asked for if it is not given')
    .option('--password-stdin', 'take the password from standard input')
    .option('--token2fa <code>', 'the code of the second factor')
    .action(async (url: string | undefined, options: Options) => {
      const { io, signal } = context;
      const server = url ? serverAddress(url) : await context.server();
      if (inClear(server)) context.note(`warning: the password will travel to ${server} unencrypted`);
      const user = options.user ?? (await ask(io, 'User', {}, signal));
      const password = options.passwordStdin
        ? await firstLine(io)
        : await ask(io, 'Password', { secret: true }, signal);
      const credentials = { user, password };
      const token = options.token2fa
        ? await fetchToken(context, server, credentials, options.token2fa)
        : await fetchToken(context, server, credentials).catch(async (error: unknown) => {
            if (codeOf(error) !== codeWanted) throw error;
            const code = await ask(io, 'Code of the second factor, or a recovery code', {}, signal);
            return fetchToken(context, server, credentials, code);
          });
      await context.profiles.set(server, { user, token });
      context.show({ server, user }, () => '');
      context.note(`logged in to ${server} as ${user}`);
    });
}

/** The password was right, and there is somebody who can be asked for more. */
const codeWanted = 'code_wanted';

interface Credentials {
  readonly user: string;
  readonly password: string;
}

async function fetchToken(context: Context, server: string, { user, password }: Credentials, code?: string) {
  const credentials = Buffer.from(`${user}:${password}`, 'utf8').toString('base64');
  try {
    const token = await context.connect(server).text('POST', `${useradm}/auth/login`, {
      headers: { authorization: `Basic ${credentials}` },
      json: code ? { token2fa: code } : {},
    });
    if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token.trim())) {
      throw failed(`${server} answered the login with something that is no token: is it a Patchbay server?`);
    }
    return token.trim();
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 401) throw error;
    const factor = error.body['second_factor'];
    if (factor === 'wrong')
      throw failed(`${server} refuses ${user}: that code is wrong or was used already: wait for the next`, {
        cause: error,
      });
    if (factor === 'wanted' && context.io.in.isTTY)
      throw new CodedError(codeWanted, 'the code of the second factor is wanted');
    if (factor === 'wanted')
      throw failed(`${server} wants the code of the second factor of ${user}: give it by --token2fa CODE`, {
        cause: error,
      });
    // A server that is not ours says no more than that.
    const hint = code ? '' : ' (or the account needs --token2fa CODE)';
    throw failed(`${server} refuses ${user}: wrong user or password${hint}`, { cause: error });
  }
}

function inClear(server: string): boolean {
  const { protocol, hostname } = new URL(server);
  return protocol === 'http:' && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}
