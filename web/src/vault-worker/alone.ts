/** The vault in a worker of one page's own. */
import { attach } from './serve.ts';

attach(self as unknown as MessagePort, false);
