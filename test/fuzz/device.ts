import { generateKeyPairSync, sign } from 'node:crypto';

/** A device that has been accepted by a server in another process; no program of it runs. */
export async function enrol(url: string, user: string, mac = 'fuzz'): Promise<{ id: string; token: string }> {
  const key = generateKeyPairSync('ed25519');
  const pubkey = key.publicKey.export({ type: 'spki', format: 'pem' });
  await fetch(`${url}/api/management/v2/devauth/devices`, {
    method: 'POST',
    headers: { authorization: `Bearer ${user}`, 'content-type': 'application/json' },
    body: JSON.stringify({ identity_data: { mac }, pubkey }),
  });
  const body = JSON.stringify({ id_data: JSON.stringify({ mac }), pubkey });
  const answer = await fetch(`${url}/api/devices/v1/authentication/auth_requests`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-men-signature': sign(null, Buffer.from(body), key.privateKey).toString('base64'),
    },
    body,
  });
  const token = await answer.text();
  if (answer.status !== 200) throw new Error(`device not enrolled: ${answer.status} ${token}`);
  const { sub } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string };
  return { id: sub, token };
}
