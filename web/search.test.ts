import { expect, it } from 'vitest';
import { deploymentsSearch, devicesSearch, loginSearch } from './search.ts';

it('after login one goes on where one was, and never to another site', () => {
  expect(loginSearch({ from: '/devices/1?tab=terminal' })).toEqual({ from: '/devices/1?tab=terminal' });
  for (const from of ['https://evil.example', '//evil.example', '/\\evil.example', 'javascript:alert(1)', 7])
    expect(loginSearch({ from })).toEqual({});
});

it('an address that makes no sense shows the page as it is at first', () => {
  expect(devicesSearch({ status: 'exploded', page: '-3', q: '' })).toEqual({});
  expect(devicesSearch({ status: 'pending', page: '2', q: 'kiosk' })).toEqual({
    status: 'pending',
    page: 2,
    q: 'kiosk',
  });
  expect(deploymentsSearch({ new: '' })).toEqual({ new: '' });
  expect(deploymentsSearch({ new: 'a,b', release: 'r1' })).toEqual({ new: 'a,b', release: 'r1' });
});
