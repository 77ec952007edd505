import type { Command } from 'commander';
import { useradm } from '#proto/http/paths';
import type { Context } from '../context.ts';
import { Refusal } from '../http.ts';

export default function logout(command: Command, context: Context): void {
  command.action(async () => {
    const server = await context.server();
    const login = await context.profiles.of(server);
    if (!login) return context.note(`you are not logged in to ${server}`);
    try {
      await context.connect(server, login.token).request('POST', `${useradm}/auth/logout`);
    } catch (error) {
      // A token that the server does not know any more is as good as logged out.
      if (!(error instanceof Refusal && error.status === 401)) throw error;
    } finally {
      await context.profiles.forget(server);
    }
    context.note(`logged out of ${server}`);
  });
}
