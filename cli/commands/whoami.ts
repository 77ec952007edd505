import type { Command } from 'commander';
import type { Me } from '#proto/http/users';
import { useradm } from '#proto/http/paths';
import { objectOf } from '../answer.ts';
import type { Context } from '../context.ts';
import { plain } from '../io.ts';

export default function whoami(command: Command, context: Context): void {
  command.action(async () => {
    const http = await context.http();
    const answer = await http.json('GET', `${useradm}/users/me`);
    const me = objectOf<Partial<Me> & { id: string; email: string }>(
      answer,
      { id: 'string', email: 'string' },
      'the user',
    );
    context.show({ server: http.options.server, ...me }, () => {
      const lines = [`${plain(me.email)} at ${http.options.server}`];
      if (me.roles) lines.push(`roles: ${me.roles.map(plain).join(', ') || 'none'}`);
      if (me.permissions) lines.push(`may: ${me.permissions.map(plain).join(', ') || 'nothing'}`);
      return `${lines.join('\n')}\n`;
    });
  });
}
