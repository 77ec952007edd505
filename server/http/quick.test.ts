import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerOf, type Harness, openHarness } from '../deployments/harness.testing.ts';

let server: Harness;
beforeAll(async () => {
  server = await openHarness();
});
afterAll(() => server.close());

const v1 = '/api/devices/v1/deployments/device/deployments/next';
const v2 = '/api/devices/v2/deployments/device/deployments/next';
const ask = (path: string, init: RequestInit = {}, token = 'device.d1') =>
  fetch(server.url + path, {
    ...init,
    headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...(init.headers as Record<string, string>) },
  }).then(answerOf);
const json = { 'Content-Type': 'application/json' };

describe('a poll on the short way', () => {
  it('answers as the long way does, request id and all', async () => {
    const short = await ask(`${v1}?artifact_name=a&device_type=b`, { headers: { 'X-MEN-RequestID': 'mine' } });
    const long = await ask(`${v1}/?artifact_name=a&device_type=b`, { headers: { 'X-MEN-RequestID': 'mine' } });
    expect(short.status).toBe(204);
    const plain = ({ headers }: typeof short) => Object.fromEntries([...headers].filter(([name]) => name !== 'date'));
    expect(plain(short)).toEqual(plain(long));
    expect(plain(short)).toMatchObject({ 'x-men-requestid': 'mine', 'x-content-type-options': 'nosniff' });
    const own = await ask(`${v1}?artifact_name=a&device_type=b`, { headers: { 'X-MEN-RequestID': 'a b\tc' } });
    expect(own.headers.get('x-men-requestid')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('leaves refusals and faults to the long way, which has words for them', async () => {
    const query = '?artifact_name=a&device_type=b';
    const cases: [Promise<Awaited<ReturnType<typeof ask>>>, number, RegExp][] = [
      [ask(v1 + query, {}, ''), 401, /Authorization not present/],
      [ask(v1 + query, {}, 'user'), 401, /unauthorized/],
      [ask(v1 + query, {}, 'a b'), 401, /malformed/],
      [ask(v1), 400, /artifact_name/],
      [ask(`${v1}?artifact_name=a&artifact_name=b&device_type=c`), 400, /artifact_name/],
      [ask(v2, { method: 'POST', body: '{', headers: json }), 400, /./],
      [ask(v2, { method: 'POST', body: '[]', headers: json }), 400, /./],
      [ask(v2, { method: 'POST', body: 'x'.repeat(20_000), headers: json }), 400, /./],
      [ask(v2, { method: 'POST', body: JSON.stringify('x'.repeat(1_100_000)), headers: json }), 413, /./],
      [ask(v2, { method: 'POST', body: '{}', headers: { 'Content-Type': 'text/plain' } }), 415, /application\/json/],
      [ask(v2, { method: 'POST', headers: json }), 400, /./],
      [ask(v1, { method: 'DELETE' }), 405, /method not allowed/],
    ];
    for (const [answer, status, error] of cases)
      expect(await answer).toMatchObject({ status, json: { error: expect.stringMatching(error) } });
  });

  it('takes bodies of known and of unknown length', async () => {
    const body = JSON.stringify({ device_provides: { device_type: 'b', artifact_name: 'a' } });
    expect((await ask(v2, { method: 'POST', body, headers: json })).status).toBe(204);
    const stream = new Blob([body]).stream();
    expect((await ask(v2, { method: 'POST', body: stream, headers: json, duplex: 'half' })).status).toBe(204);
  });
});
