/** Who may do what at the console: the one table, of the page's server and of the room that acts. */
import type { ActRequest, ConsoleRole } from '../contracts/console-view.ts';

export type ActVerb = ActRequest['verb'];

export const EVERYBODY: readonly ConsoleRole[] = ['viewer', 'technician', 'administrator'];
export const TECHNICIANS: readonly ConsoleRole[] = ['technician', 'administrator'];
const ADMINISTRATORS: readonly ConsoleRole[] = ['administrator'];

export const ACT_ROLES: Readonly<Record<ActVerb | 'commission' | 'pair', readonly ConsoleRole[]>> = {
  open: TECHNICIANS,
  stop_pick: TECHNICIANS,
  recount: TECHNICIANS,
  maintain: TECHNICIANS,
  end_maintenance: TECHNICIANS,
  commission: TECHNICIANS,
  pair: TECHNICIANS,
  resume: ADMINISTRATORS,
};

/** As whom the journal names this person. */
export function actorKind(role: ConsoleRole): 'technician' | 'operator' {
  return role === 'administrator' ? 'operator' : 'technician';
}
