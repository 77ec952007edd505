import type { QueryClient } from '@tanstack/react-query';
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';
import { readToken } from './api/token.ts';
import { Frame } from './parts/frame.tsx';
import { Crash, Missing, Waiting } from './parts/fallback.tsx';
import {
  addonSearch,
  deploymentSearch,
  deploymentsSearch,
  deviceSearch,
  devicesSearch,
  loginSearch,
  auditSearch,
  releasesSearch,
} from './search.ts';

// A page is code of its own, and none is part of the first load.
const pages = {
  login: () => import('./pages/login.tsx'),
  devices: () => import('./pages/devices.tsx'),
  device: () => import('./pages/device.tsx'),
  groups: () => import('./pages/groups.tsx'),
  releases: () => import('./pages/releases.tsx'),
  release: () => import('./pages/release.tsx'),
  deployments: () => import('./pages/deployments.tsx'),
  deployment: () => import('./pages/deployment.tsx'),
  audit: () => import('./pages/audit.tsx'),
  users: () => import('./pages/users.tsx'),
  roles: () => import('./pages/roles.tsx'),
  security: () => import('./pages/security.tsx'),
  addon: () => import('./pages/addon.tsx'),
};

/** Fetches what other pages are made of while there is nothing else to do: a page opens at once, server or no server. */
export function fetchPages(): void {
  const fetchAll = () => {
    for (const page of Object.values(pages)) page().catch(() => undefined);
  };
  if ('requestIdleCallback' in globalThis) requestIdleCallback(fetchAll, { timeout: 5000 });
  else setTimeout(fetchAll, 1000);
}

const root = createRootRouteWithContext<{ client: QueryClient }>()({ notFoundComponent: Missing });

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: loginSearch,
  component: lazyRouteComponent(pages.login, 'LoginPage'),
});

const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  component: Frame,
  beforeLoad: ({ location }) => {
    if (!readToken())
      throw redirect({ to: '/login', search: location.href === '/' ? {} : { from: location.href }, replace: true });
  },
});

const home = createRoute({
  getParentRoute: () => inside,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/devices', replace: true });
  },
});
const devices = createRoute({
  getParentRoute: () => inside,
  path: '/devices',
  validateSearch: devicesSearch,
  component: lazyRouteComponent(pages.devices, 'DevicesPage'),
});
const device = createRoute({
  getParentRoute: () => inside,
  path: '/devices/$deviceId',
  validateSearch: deviceSearch,
  component: lazyRouteComponent(pages.device, 'DevicePage'),
});
const groups = createRoute({
  getParentRoute: () => inside,
  path: '/groups',
  component: lazyRouteComponent(pages.groups, 'GroupsPage'),
});
const releases = createRoute({
  getParentRoute: () => inside,
  path: '/releases',
  validateSearch: releasesSearch,
  component: lazyRouteComponent(pages.releases, 'ReleasesPage'),
});
const release = createRoute({
  getParentRoute: () => inside,
  path: '/releases/$releaseName',
  component: lazyRouteComponent(pages.release, 'ReleasePage'),
});
const deployments = createRoute({
  getParentRoute: () => inside,
  path: '/deployments',
  validateSearch: deploymentsSearch,
  component: lazyRouteComponent(pages.deployments, 'DeploymentsPage'),
});
const deployment = createRoute({
  getParentRoute: () => inside,
  path: '/deployments/$deploymentId',
  validateSearch: deploymentSearch,
  component: lazyRouteComponent(pages.deployment, 'DeploymentPage'),
});
const audit = createRoute({
  getParentRoute: () => inside,
  path: '/audit',
  validateSearch: auditSearch,
  component: lazyRouteComponent(pages.audit, 'AuditPage'),
});

const users = createRoute({
  getParentRoute: () => inside,
  path: '/users',
  component: lazyRouteComponent(pages.users, 'UsersPage'),
});
const roles = createRoute({
  getParentRoute: () => inside,
  path: '/roles',
  component: lazyRouteComponent(pages.roles, 'RolesPage'),
});
const security = createRoute({
  getParentRoute: () => inside,
  path: '/security',
  component: lazyRouteComponent(pages.security, 'SecurityPage'),
});

const addon = createRoute({
  getParentRoute: () => inside,
  path: '/addons/$addonId',
  validateSearch: addonSearch,
  component: lazyRouteComponent(pages.addon, 'AddonPage'),
});

const tree = root.addChildren([
  login,
  inside.addChildren([
    home,
    devices,
    device,
    groups,
    releases,
    release,
    deployments,
    deployment,
    audit,
    users,
    roles,
    security,
    addon,
  ]),
]);

export function createAppRouter(client: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { client },
    defaultPreload: 'intent',
    defaultPendingMs: 300,
    defaultPendingComponent: Waiting,
    defaultErrorComponent: Crash,
    scrollRestoration: true,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
