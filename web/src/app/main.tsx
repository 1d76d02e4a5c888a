/** The app's entry. */
import '../ui/app.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { startWords } from '../lib/i18n.ts';
import { Providers } from '../ui/providers.tsx';
import { VaultFailure } from '../vault-worker/api.ts';
import { router } from './router.tsx';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      // Without a network calls fail at once and say so; waiting would look like work.
      networkMode: 'always',
      // What was refused stays refused; only what did not arrive is asked again.
      retry: (count, why) => count < 2 && why instanceof VaultFailure && why.code === 'server.unreachable',
    },
    mutations: { networkMode: 'always' },
  },
});

const root = document.getElementById('root');
if (root) {
  await startWords();
  createRoot(root).render(
    <StrictMode>
      <Providers>
        <QueryClientProvider client={queries}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </Providers>
    </StrictMode>,
  );
}
