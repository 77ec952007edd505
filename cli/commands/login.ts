import type { Command } from 'commander';
import { useradm } from '#proto/http/paths';
import type { Context } from '../context.ts';
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
      const token = await fetchToken(context, server, user, password, options.token2fa);
      await context.profiles.set(server, { user, token });
      context.show({ server, user }, () => '');
      context.note(`logged in to ${server} as ${user}`);
    });
}

async function fetchToken(context: Context, server: string, user: string, password: string, code?: string) {
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
    const hint = code ? '' : ' (or the account needs --token2fa CODE)';
    throw failed(`${server} refuses ${user}: wrong user or password${hint}`, { cause: error });
  }
}

function inClear(server: string): boolean {
  const { protocol, hostname } = new URL(server);
  return protocol === 'http:' && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}
