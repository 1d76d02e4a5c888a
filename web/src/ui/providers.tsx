/** What surrounds both entries: theme, words, direction. */
import { DirectionProvider, MantineProvider } from '@mantine/core';
import type { ReactNode } from 'react';
import { theme, variables } from './theme.ts';

/** Style elements are made under the page's nonce; the policy allows no others. */
const nonce = () => document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.content ?? '';

declare global {
  var __webpack_nonce__: string | undefined;
}

export function Providers({ children }: { children: ReactNode }) {
  globalThis.__webpack_nonce__ = nonce();
  return (
    <DirectionProvider>
      <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={nonce}>
        {children}
      </MantineProvider>
    </DirectionProvider>
  );
}
