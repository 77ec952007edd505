import type { User } from '#proto/http/users';
import { useradm } from '#proto/http/paths';
import { listOf } from '../answer.ts';
import { failed } from '../failure.ts';
import type { Http } from '../http.ts';

export async function readUsers(http: Http): Promise<User[]> {
  const answer = await http.json('GET', `${useradm}/users`, { what: 'users' });
  return listOf<User>(answer, { id: 'string', email: 'string' }, 'users');
}

/** The user of an email or an id. */
export async function findUser(http: Http, wanted: string): Promise<User> {
  const known = await readUsers(http);
  const found = known.find(({ id, email }) => id === wanted || email.toLowerCase() === wanted.toLowerCase());
  if (!found) throw failed(`there is no user '${wanted}': 'patchbay users' lists them`);
  return found;
}
