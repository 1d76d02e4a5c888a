/**
 * The shared-record viewer: for whoever holds a link, without an account.
 * Nothing is fetched and nothing counted before they say who they are and press
 * Open, since mail scanners follow links too. The key goes from the address into
 * the worker and never to the server.
 */
import '../ui/app.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { startWords } from '../lib/i18n.ts';
import { OTHERS, readAddress } from '../lib/link.ts';
import { Providers } from '../ui/providers.tsx';
import { Viewer } from './viewer.tsx';

const address = readAddress(location.pathname, location.hash, location.origin);
const root = document.getElementById('root');
if (address.other && location.pathname !== OTHERS) {
  // Only there does the policy let a page ask whoever keeps such links.
  location.replace(`${OTHERS}#${address.other.text}`);
} else if (root) {
  history.replaceState(null, '', address.other ? OTHERS : `/records/shared/${encodeURIComponent(address.token)}`);
  await startWords();
  createRoot(root).render(<StrictMode><Providers><Viewer address={address} /></Providers></StrictMode>);
}
