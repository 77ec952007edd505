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
  deploymentSearch,
  deploymentsSearch,
  deviceSearch,
  devicesSearch,
  loginSearch,
  pagedSearch,
  releasesSearch,
} from './search.ts';

// A page is loaded when it is first opened; its module's name and the route's are the same.
const root = createRootRouteWithContext<{ client: QueryClient }>()({ notFoundComponent: Missing });

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: loginSearch,
  component: lazyRouteComponent(() => import('./pages/login.tsx'), 'LoginPage'),
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
  component: lazyRouteComponent(() => import('./pages/devices.tsx'), 'DevicesPage'),
});
const device = createRoute({
  getParentRoute: () => inside,
  path: '/devices/$deviceId',
  validateSearch: deviceSearch,
  component: lazyRouteComponent(() => import('./pages/device.tsx'), 'DevicePage'),
});
const releases = createRoute({
  getParentRoute: () => inside,
  path: '/releases',
  validateSearch: releasesSearch,
  component: lazyRouteComponent(() => import('./pages/releases.tsx'), 'ReleasesPage'),
});
const release = createRoute({
  getParentRoute: () => inside,
  path: '/releases/$releaseName',
  component: lazyRouteComponent(() => import('./pages/release.tsx'), 'ReleasePage'),
});
const deployments = createRoute({
  getParentRoute: () => inside,
  path: '/deployments',
  validateSearch: deploymentsSearch,
  component: lazyRouteComponent(() => import('./pages/deployments.tsx'), 'DeploymentsPage'),
});
const deployment = createRoute({
  getParentRoute: () => inside,
  path: '/deployments/$deploymentId',
  validateSearch: deploymentSearch,
  component: lazyRouteComponent(() => import('./pages/deployment.tsx'), 'DeploymentPage'),
});
const audit = createRoute({
  getParentRoute: () => inside,
  path: '/audit',
  validateSearch: pagedSearch,
  component: lazyRouteComponent(() => import('./pages/audit.tsx'), 'AuditPage'),
});

const tree = root.addChildren([
  login,
  inside.addChildren([home, devices, device, releases, release, deployments, deployment, audit]),
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
