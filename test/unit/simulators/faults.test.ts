import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LINE_FAULTS, type LineFault } from '../../../simulators/faults/kinds.ts';
import {
  type Emission,
  type FaultSettings,
  type FaultState,
  FIRST_EMISSION,
  NO_FAULTS,
  type Outcome,
  planEmission,
  releaseHeld,
} from '../../../simulators/faults/plan.ts';
import { concatBytes, equalBytes, hex, utf8 } from '../../../src/base/bytes.ts';

const reply: Emission = {
  what: 'reply',
  bytes: Uint8Array.of(0x80, 0x01, 0xff, 0xfe, 0x33, 0xb3),
  request: Uint8Array.of(0x80, 0x01, 0x00, 0x33, 0xb2),
};
const scan: Emission = { what: 'scan', bytes: utf8(']C100340123450000000017\r\n'), suffixBytes: 2 };

const always = (...faults: readonly LineFault[]): FaultSettings => ({
  ...NO_FAULTS,
  seed: 7,
  rates: Object.fromEntries(faults.map((fault) => [fault, 1])),
});

function run(settings: FaultSettings, emissions: readonly Emission[], line = 'bus'): readonly Outcome[] {
  let state: FaultState = FIRST_EMISSION;
  return emissions.map((emission) => {
    const outcome = planEmission(settings, line, state, emission);
    state = outcome.state;
    return outcome;
  });
}

const arrived = (outcomes: readonly Outcome[]): Uint8Array =>
  concatBytes(...outcomes.flatMap((outcome) => outcome.deliveries.map((delivery) => delivery.bytes)));
const describeRun = (outcomes: readonly Outcome[]): unknown =>
  outcomes.map(({ deliveries, faults, unplugMs }) => ({
    deliveries: deliveries.map(({ afterMs, bytes }) => `${afterMs} ${hex(bytes)}`),
    faults,
    unplugMs,
  }));

describe('the fault plan', () => {
  test('changes nothing when no fault is asked for', () => {
    const outcomes = run(NO_FAULTS, [reply, scan, reply]);
    expect(arrived(outcomes)).toEqual(concatBytes(reply.bytes, scan.bytes, reply.bytes));
    expect(outcomes.flatMap((outcome) => outcome.faults)).toEqual([]);
  });

  test('repeats itself for a seed, and differs for another seed and another line', () => {
    const rates = Object.fromEntries(LINE_FAULTS.map((fault) => [fault, 0.2]));
    const settings = { ...NO_FAULTS, seed: 42, rates };
    const emissions = Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? reply : scan));
    const first = describeRun(run(settings, emissions));
    expect(describeRun(run(settings, emissions))).toEqual(first);
    expect(describeRun(run({ ...settings, seed: 43 }, emissions))).not.toEqual(first);
    expect(describeRun(run(settings, emissions, 'other'))).not.toEqual(first);
  });

  test('the fate of an emission does not hang on what was emitted before it', () => {
    const settings = { ...NO_FAULTS, seed: 5, rates: { bit_flip: 0.5, lost_bytes: 0.5, noise: 0.5 } };
    const short = run(settings, [reply, reply, reply]);
    const long = run(settings, [scan, scan, reply]);
    expect(describeRun(short.slice(2))).toEqual(describeRun(long.slice(2)));
  });

  test('every fault can happen, and says so', () => {
    const rates = Object.fromEntries(LINE_FAULTS.map((fault) => [fault, 0.15]));
    const emissions = Array.from({ length: 500 }, (_, i) => (i % 2 === 0 ? reply : scan));
    const faults = run({ ...NO_FAULTS, seed: 1, rates }, emissions).flatMap((outcome) => outcome.faults);
    expect([...new Set(faults)].sort()).toEqual([...LINE_FAULTS].sort());
  });

  test('happens exactly where it is told to', () => {
    const settings = { ...NO_FAULTS, exactly: [{ emission: 1, fault: 'no_reply' as const }] };
    const outcomes = run(settings, [reply, reply, reply]);
    expect(outcomes.map((outcome) => outcome.faults)).toEqual([[], ['no_reply'], []]);
    expect(arrived(outcomes)).toHaveLength(2 * reply.bytes.length);
  });
});

describe('each fault does what its name says', () => {
  test('split: the same bytes in several chunks, in order, later and later', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: 40 }), fc.nat(10_000), (bytes, seed) => {
        const [outcome] = run({ ...always('split'), seed }, [{ what: 'reply', bytes }]);
        expect(outcome?.deliveries.length).toBeGreaterThan(1);
        expect(arrived(outcome === undefined ? [] : [outcome])).toEqual(bytes);
        const times = outcome?.deliveries.map((delivery) => delivery.afterMs) ?? [];
        expect(times).toEqual([...times].sort((a, b) => a - b));
      }),
    );
  });

  test('merge: two emissions in one chunk, and what nothing follows is given up', () => {
    const [first, second] = run(always('merge'), [reply, reply]);
    expect(first?.deliveries).toEqual([]);
    expect(second?.deliveries.map(({ bytes }) => bytes)).toEqual([concatBytes(reply.bytes, reply.bytes)]);
    const released = releaseHeld(first?.state ?? FIRST_EMISSION);
    expect(released.bytes).toEqual(reply.bytes);
    expect(released.state).toEqual({ emission: 1, held: new Uint8Array(0) });
  });

  test('noise adds, lost bytes take away, a bit flip changes one bit', () => {
    for (let seed = 0; seed < 200; seed += 1) {
      expect(arrived(run({ ...always('noise'), seed }, [reply])).length).toBeGreaterThan(reply.bytes.length);
      expect(arrived(run({ ...always('lost_bytes'), seed }, [reply])).length).toBeLessThan(reply.bytes.length);
      const flipped = arrived(run({ ...always('bit_flip'), seed }, [reply]));
      let bits = 0;
      for (const [i, byte] of flipped.entries()) {
        bits += ((byte ^ (reply.bytes[i] ?? 0)).toString(2).match(/1/g) ?? []).length;
      }
      expect(bits).toBe(1);
    }
  });

  test('echo returns the request first; no reply is none; a late one is late', () => {
    const [echoed] = run(always('echo'), [reply]);
    expect(echoed?.deliveries[0]?.bytes).toEqual(concatBytes(reply.request ?? Uint8Array.of(), reply.bytes));
    expect(arrived(run(always('no_reply'), [reply]))).toHaveLength(0);
    const [late] = run(always('late_reply'), [reply]);
    expect(late?.deliveries.map((delivery) => delivery.afterMs)).toEqual([NO_FAULTS.lateMs]);
    // Scans answer no request, so these two cannot befall them.
    expect(run(always('echo', 'no_reply', 'late_reply'), [scan]).flatMap((outcome) => outcome.faults)).toEqual([]);
  });

  test('a missing suffix is missing, glued scans have nothing between them', () => {
    const bare = scan.bytes.subarray(0, -2);
    expect(arrived(run(always('missing_suffix'), [scan]))).toEqual(bare);
    const glued = { ...NO_FAULTS, exactly: [{ emission: 0, fault: 'glued_scans' as const }] };
    const outcomes = run(glued, [scan, scan]);
    expect(outcomes[1]?.deliveries.map((delivery) => delivery.bytes)).toEqual([concatBytes(bare, scan.bytes)]);
    expect(outcomes[0]?.faults).toEqual(['glued_scans']);
  });

  test('an unplug cuts the emission off', () => {
    let cutInside = 0;
    for (let seed = 0; seed < 100; seed += 1) {
      const [outcome] = run({ ...always('unplug'), seed }, [reply]);
      expect(outcome?.unplugMs).toBe(NO_FAULTS.unplugMs);
      const bytes = arrived(outcome === undefined ? [] : [outcome]);
      expect(equalBytes(bytes, reply.bytes.subarray(0, bytes.length))).toBe(true);
      expect(bytes.length).toBeLessThan(reply.bytes.length);
      if (bytes.length > 0) cutInside += 1;
    }
    expect(cutInside).toBeGreaterThan(50);
  });
});
