import { Policy, policyPath } from '#proto/http/users';
import { empty, json, route, type Route } from '../http/route.ts';
import type { Policies } from './policy.ts';

/** What is decided for all. `changed` is told after it has. */
export function policyRoutes(policies: Policies, changed: () => Promise<void>): Route[] {
  return [
    route(
      {
        method: 'GET',
        path: policyPath,
        access: 'user',
        summary: 'What is decided for all: the second factor, how long the audit log is kept',
        responses: { 200: { description: 'the policy', body: Policy } },
      },
      async () => json(200, await policies.get()),
    ),
    route(
      {
        method: 'PUT',
        path: policyPath,
        access: 'settings:manage',
        summary: 'Decide it',
        body: Policy,
        audit: 'policy_update',
        responses: { 204: { description: 'done' } },
      },
      async (context) => {
        const { second_factor, audit_days } = context.body;
        const after = { second_factor, audit_days };
        context.note({ object: { type: 'policy', id: 'global' }, before: await policies.get(), after });
        await policies.put(after);
        await changed();
        return empty();
      },
    ),
  ];
}
