import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { createQueryClient } from './api/client.ts';
import { whenSignedOut } from './api/http.ts';
import { createAppRouter, fetchPages } from './router.tsx';
import { theme, variables } from './theme.ts';

export function App() {
  const [client] = useState(createQueryClient);
  const [router] = useState(() => createAppRouter(client));
  useEffect(
    () =>
      whenSignedOut(() => {
        client.clear();
        const from = router.state.location.href;
        if (!from.startsWith('/login')) void router.navigate({ to: '/login', search: { from, expired: true } });
      }),
    [client, router],
  );
  useEffect(fetchPages, []);
  return (
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto">
      <Notifications position="bottom-right" />
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  );
}
