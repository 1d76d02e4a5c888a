/** The vault in a worker that the tabs share. */
import { attach } from './serve.ts';
import { makeVault } from './vault.ts';

declare const self: { onconnect: ((event: MessageEvent) => void) | null };

self.onconnect = (event) => {
  const [port] = event.ports;
  if (port) attach(port, (tell) => makeVault(tell, true));
};
