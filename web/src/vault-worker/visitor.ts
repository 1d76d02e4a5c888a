/** The worker of a link's reader, one for each page. */
import { attach } from './serve.ts';
import { makeVisitor } from './visit.ts';

attach(self as unknown as MessagePort, makeVisitor);
