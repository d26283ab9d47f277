/** All endpoints. A new one is a row here, and a test that asks each row by each role will ask it, too. */
import type { Endpoint } from './endpoint.ts';
import { CUSTODY_ENDPOINTS } from './endpoints-custody.ts';
import { DECISION_ENDPOINTS } from './endpoints-decisions.ts';
import { HOLD_ENDPOINTS } from './endpoints-holds.ts';
import { SERVICE_ENDPOINTS } from './endpoints-service.ts';

export const ENDPOINTS: readonly Endpoint[] = [
  ...DECISION_ENDPOINTS,
  ...CUSTODY_ENDPOINTS,
  ...HOLD_ENDPOINTS,
  ...SERVICE_ENDPOINTS,
];
