/** The vault in a worker of one page's own. */
import { attach } from './serve.ts';
import { makeVault } from './vault.ts';

attach(self as unknown as MessagePort, (tell) => makeVault(tell, false));
