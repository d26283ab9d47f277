import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  INITIAL_SUPERVISION,
  type Supervision,
  type SupervisionInput,
  supervise,
} from '../../../src/edge/ports/supervision.ts';

const inputs: readonly SupervisionInput[] = [
  { kind: 'start' },
  { kind: 'opened' },
  { kind: 'failed', reason: 'r', trouble: 'PORT_UNAVAILABLE' },
  { kind: 'failed', reason: 'r', trouble: 'PORT_BUSY' },
  { kind: 'lost', reason: 'r' },
  { kind: 'released' },
  { kind: 'due' },
  { kind: 'close' },
];

test('whatever happens in whatever order: one attempt or link at a time, each change said once, closed is final', () => {
  const reached = new Set<string>();
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...inputs), { maxLength: 60 }), (history) => {
      let state: Supervision = INITIAL_SUPERVISION;
      let said: string = 'opening';
      let attempts = 0;
      let links = 0;
      for (const input of history) {
        if (input.kind === 'opened' && attempts === 0) continue;
        if (input.kind === 'failed' && attempts === 0) continue;
        if (input.kind === 'released' && links === 0) continue;
        const step = supervise(state, input);
        state = step.state;
        if (input.kind === 'opened') [attempts, links] = [0, 1];
        if (input.kind === 'failed') attempts = 0;
        if (input.kind === 'released' && state.phase !== 'releasing' && state.phase !== 'open') links = 0;
        for (const output of step.outputs) {
          if (output.kind === 'open') {
            expect(attempts + links).toBe(0);
            attempts = 1;
          }
          if (output.kind === 'report') {
            expect(said).not.toBe('closed');
            expect(output.state).not.toBe(said);
            said = output.state;
          }
        }
        reached.add(state.phase);
      }
      expect(state.reported).toBe(said);
    }),
    { numRuns: 3_000 },
  );
  expect([...reached].sort()).toEqual(['closed', 'idle', 'open', 'opening', 'releasing', 'waiting']);
});
