/** Whether the line gives back what is sent: as configured, or as seen. Pure. */
import type { BusState } from './bus-state.ts';
import type { BusTiming } from './settings.ts';

/** So many sound answers in a row without an echo, or each behind one, and the line is known. */
export const ECHO_SURE = 3;

export function gaveNoEcho(state: Pick<BusState, 'echoless'>, timing: Pick<BusTiming, 'echo'>): boolean {
  return timing.echo === 'off' || (timing.echo === 'auto' && state.echoless >= ECHO_SURE);
}

export function givesEcho(state: Pick<BusState, 'echoed'>, timing: Pick<BusTiming, 'echo'>): boolean {
  return timing.echo === 'on' || (timing.echo === 'auto' && state.echoed >= ECHO_SURE);
}
