/** Every path of the page's server below /api, with who may ask for it: one table, which router and tests read. */
import type { ConsoleRole } from '../../contracts/console-view.ts';
import { EVERYBODY, TECHNICIANS } from '../roles.ts';
import { act } from './act.ts';
import { journal, live } from './look.ts';
import type { Answer, Call, Service, SessionCall } from './service.ts';
import { secondFactor, session, signIn, signOut } from './sign-in.ts';
import { commission, pair } from './walks.ts';

interface Shape {
  readonly path: string;
  readonly method: 'GET' | 'POST';
}

export type Endpoint =
  | (Shape & { readonly access: 'public'; readonly run: (call: Call, service: Service) => Promise<Answer> })
  | (Shape & {
      readonly access: readonly ConsoleRole[];
      /** Nothing without a code of the authenticator, some minutes ago at most. */
      readonly factor: boolean;
      /** Counts as something that the person does: the session does not end for idleness. */
      readonly isDeed: boolean;
      readonly run: (call: SessionCall, service: Service) => Promise<Answer>;
    });

export const ENDPOINTS: readonly Endpoint[] = [
  { method: 'POST', path: '/api/sign-in', access: 'public', run: signIn },
  { method: 'GET', path: '/api/session', access: EVERYBODY, factor: false, isDeed: false, run: session },
  { method: 'POST', path: '/api/sign-out', access: EVERYBODY, factor: false, isDeed: true, run: signOut },
  { method: 'POST', path: '/api/second-factor', access: EVERYBODY, factor: false, isDeed: true, run: secondFactor },
  { method: 'GET', path: '/api/live', access: EVERYBODY, factor: false, isDeed: false, run: live },
  { method: 'GET', path: '/api/journal', access: EVERYBODY, factor: false, isDeed: true, run: journal },
  { method: 'POST', path: '/api/act', access: TECHNICIANS, factor: true, isDeed: true, run: act },
  { method: 'POST', path: '/api/commission', access: TECHNICIANS, factor: true, isDeed: true, run: commission },
  { method: 'POST', path: '/api/pair', access: TECHNICIANS, factor: true, isDeed: true, run: pair },
];
