/**
 * The life of a supervised port as a pure machine: one attempt at a time, one link at a time, each change said once.
 *
 * A lost link is closed completely before the next attempt: serial drivers answer "Cannot lock port" otherwise
 * (serialport/node-serialport#2735).
 */
import { unreachable } from '../../base/assert.ts';
import type { PortState, PortTrouble } from '../contracts/port.ts';

type Phase = 'idle' | 'opening' | 'open' | 'releasing' | 'waiting' | 'closed';

export interface Supervision {
  readonly phase: Phase;
  readonly reported: PortState;
  /** `close` was called: nothing is opened again. */
  readonly closing: boolean;
}

export type SupervisionInput =
  | { readonly kind: 'start' }
  | { readonly kind: 'opened' }
  | { readonly kind: 'failed'; readonly reason: string; readonly trouble: PortTrouble }
  /** The link said so, the device vanished, or the caller sees no life. */
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'released' }
  /** The back-off is over, or the device has just appeared. */
  | { readonly kind: 'due' }
  | { readonly kind: 'close' };

export type SupervisionOutput =
  | { readonly kind: 'open' }
  | { readonly kind: 'abort_open' }
  | { readonly kind: 'release' }
  | { readonly kind: 'wait' }
  | { readonly kind: 'stop_waiting' }
  | { readonly kind: 'report'; readonly state: PortState; readonly reason: string; readonly trouble?: PortTrouble };

export interface SupervisionStep {
  readonly state: Supervision;
  readonly outputs: readonly SupervisionOutput[];
}

export const INITIAL_SUPERVISION: Supervision = { phase: 'idle', reported: 'opening', closing: false };

export function supervise(state: Supervision, input: SupervisionInput): SupervisionStep {
  switch (input.kind) {
    case 'start':
      return state.phase === 'idle' ? to(state, 'opening', [{ kind: 'open' }]) : stay(state);
    case 'opened':
      return opened(state);
    case 'failed':
      return failed(state, input.reason, input.trouble);
    case 'lost':
      if (state.phase !== 'open') return stay(state);
      return reported({ ...state, phase: 'releasing' }, 'lost', input.reason, [{ kind: 'release' }]);
    case 'released':
      if (state.phase !== 'releasing') return stay(state);
      return state.closing ? closed(state) : to(state, 'waiting', [{ kind: 'wait' }]);
    case 'due':
      return state.phase === 'waiting'
        ? to(state, 'opening', [{ kind: 'stop_waiting' }, { kind: 'open' }])
        : stay(state);
    case 'close':
      return close(state);
    default:
      return unreachable(input);
  }
}

function opened(state: Supervision): SupervisionStep {
  if (state.phase !== 'opening') return stay(state);
  if (state.closing) return to(state, 'releasing', [{ kind: 'release' }]);
  return reported({ ...state, phase: 'open' }, 'open', 'opened', []);
}

function failed(state: Supervision, reason: string, trouble: PortTrouble): SupervisionStep {
  if (state.phase !== 'opening') return stay(state);
  if (state.closing) return closed(state);
  const waiting: Supervision = { ...state, phase: 'waiting' };
  if (state.reported === 'lost') return { state: waiting, outputs: [{ kind: 'wait' }] };
  return {
    state: { ...waiting, reported: 'lost' },
    outputs: [{ kind: 'report', state: 'lost', reason, trouble }, { kind: 'wait' }],
  };
}

function close(state: Supervision): SupervisionStep {
  if (state.closing) return stay(state);
  const closing: Supervision = { ...state, closing: true };
  switch (state.phase) {
    case 'idle':
    case 'closed':
      return closed(closing);
    case 'waiting': {
      const step = closed(closing);
      return { state: step.state, outputs: [{ kind: 'stop_waiting' }, ...step.outputs] };
    }
    case 'opening':
      return { state: closing, outputs: [{ kind: 'abort_open' }] };
    case 'open':
      return { state: { ...closing, phase: 'releasing' }, outputs: [{ kind: 'release' }] };
    case 'releasing':
      return stay(closing);
    default:
      return unreachable(state.phase);
  }
}

function closed(state: Supervision): SupervisionStep {
  return reported({ ...state, phase: 'closed' }, 'closed', 'closed', []);
}

function reported(
  state: Supervision,
  next: PortState,
  reason: string,
  rest: readonly SupervisionOutput[],
): SupervisionStep {
  const trouble = next === 'lost' ? { trouble: 'PORT_UNAVAILABLE' as const } : {};
  return {
    state: { ...state, reported: next },
    outputs: [{ kind: 'report', state: next, reason, ...trouble }, ...rest],
  };
}

function to(state: Supervision, phase: Phase, outputs: readonly SupervisionOutput[]): SupervisionStep {
  return { state: { ...state, phase }, outputs };
}

function stay(state: Supervision): SupervisionStep {
  return { state, outputs: [] };
}
