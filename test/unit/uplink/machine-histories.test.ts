import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { liveWorld } from './driving.ts';
import { FIRST_LOG, fair, World } from './world.ts';

describe('any history', () => {
  const action = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('read'), n: fc.nat(9) }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('answer'), n: fc.nat(19) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('settle'), n: fc.nat(3) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('receipt'), n: fc.constant(0) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('append'), n: fc.integer({ min: 1, max: 12 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('advance'), n: fc.nat(40_000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('request'), n: fc.nat(400) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('drop'), n: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('log'), n: fc.nat(3) }) },
  );

  function act(world: World, what: string, n: number): void {
    if (what === 'read') world.finishRead(n === 0 ? 'failed' : n === 1 ? 'nothing' : 'ok');
    else if (what === 'answer') {
      const code = n === 0 ? 16 : n === 1 ? 135 : n === 2 ? 151 : 0;
      world.answer(code, n > 5);
    } else if (what === 'settle') {
      world.connect(n === 0 ? 5 : 65_535);
      world.subscribed();
      world.compared(n === 1 ? 'memory_lost' : 'agreed');
      world.finishEnrolment(n !== 2);
      world.finishMark(n !== 3);
    } else if (what === 'receipt') world.receipt();
    else if (what === 'append') world.append(n);
    else if (what === 'advance') world.advance(n);
    else if (what === 'request') world.feed({ kind: 'requested', origin: FIRST_LOG, first: n % 120 });
    else if (what === 'drop') world.drop();
    else if (n === 0) world.remove(FIRST_LOG);
    else if (world.logs.length < 4) {
      world.enrolmentOwed = n === 1;
      world.opened += 1;
      world.open(`lockers.example/gw-0001/${world.opened}-${world.opened.toString().padStart(8, '0')}`);
    }
  }

  test('keeps every rule of the order, and once all do their duty every entry is receipted', () => {
    const reached = new Map<string, number>();
    fc.assert(
      fc.property(fc.nat(5), fc.array(action, { minLength: 20, maxLength: 150 }), (kind, actions) => {
        const world = kind < 3 ? liveWorld(12) : new World();
        world.joins = 1 + (kind % 3);
        world.append(5);
        for (const { do: what, n } of actions) act(world, what, n);
        fair(world);
        expect(world.allReceipted).toBe(true);
        for (const [kind, count] of world.seen) reached.set(kind, (reached.get(kind) ?? 0) + count);
        for (const output of world.outputs) {
          if (output.kind === 'went_back' || output.kind === 'request_ignored') {
            reached.set(output.why, (reached.get(output.why) ?? 0) + 1);
          }
        }
      }),
      { numRuns: 600 },
    );
    const wanted = [
      ...['subscribe', 'compare', 'forget_memory_topics', 'publish_status', 'read_enrolment', 'publish_enrolment'],
      ...['publish_checkpoint', 'mark', 'read', 'publish_batch', 'stalled', 'undelivered', 'refused', 'requested'],
      ...['throttled', 'unknown_log', 'not_sent_yet', 'not_live'],
    ];
    expect(wanted.filter((kind) => !reached.has(kind))).toEqual([]);
  });
});
