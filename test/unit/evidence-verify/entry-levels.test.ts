/** One predicate for the level of an entry: against its definition, against the verdict over a whole bundle, and as decisions ask it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assuranceOf } from '../../../src/evidence/verify/assurance.ts';
import {
  byLevel,
  isTrusted,
  levelAt,
  type ProvedStretch,
  provedStretch,
  type Stretch,
  trustedRange,
} from '../../../src/evidence/verify/entry-levels.ts';
import type { BelievedLog } from '../../../src/evidence/verify/trust.ts';
import { proveLogs } from '../../../src/risk/assurance/levels.ts';
import { entryLevel, type LogProof, provedLevel } from '../../../src/risk/ledger/entry-level.ts';
import { AnchoredLog } from '../../support/anchored-log.ts';

const RUNS = 1_500;
const SIZE_MAX = 24;
const size = fc.nat({ max: SIZE_MAX });

/** Stretches with gaps between them, ascending, each with anchors and a cosignature inside of it or none. */
const stretches: fc.Arbitrary<readonly Stretch[]> = fc
  .uniqueArray(size, { minLength: 2, maxLength: 8 })
  .chain((cuts) => {
    const sorted = cuts.toSorted((a, b) => a - b);
    const pairs = sorted.flatMap((first, i) => (i % 2 === 0 ? [[first, sorted[i + 1] ?? first + 1] as const] : []));
    return fc.tuple(
      ...pairs.map(([first, end]) =>
        fc.record({
          first: fc.constant(first),
          end: fc.constant(end),
          anchors: fc.array(size, { maxLength: 4 }),
          cosigned: fc.oneof(fc.constant(0), fc.integer({ min: first + 1, max: end })),
        }),
      ),
    );
  });
const keys = fc.record({ sealed: fc.boolean(), revoked: fc.option(fc.tuple(size, fc.boolean()), { nil: undefined }) });

/** FORMAT.md section 9, in as many words. */
function byDefinition(
  n: number,
  of: readonly Stretch[],
  sealed: boolean,
  revoked?: readonly [number, boolean],
): string {
  const own = of.find(({ first, end }) => n >= first && n < end);
  if (own === undefined) throw new Error('nobody holds it');
  const isOver = (at: number): boolean => at > own.first && at <= own.end;
  if (revoked !== undefined && !(isOver(revoked[0]) && revoked[1] && n < revoked[0])) return 'A0';
  if (!sealed) return 'A0';
  const anchors = own.anchors.filter((at) => isOver(at) && at > n);
  if (anchors.some((at) => own.cosigned >= at)) return 'A3';
  return anchors.length > 0 ? 'A2' : 'A1';
}

function held(of: readonly Stretch[]): readonly number[] {
  return of.flatMap(({ first, end }) => Array.from({ length: end - first }, (_, i) => first + i));
}

describe('the level of an entry', () => {
  test('is what the format says, in whatever stretch it stands, also of a revoked key', () => {
    fc.assert(
      fc.property(stretches, keys, (of, { sealed, revoked }) => {
        const trusted = revoked && trustedRange(revoked[0], revoked[1], of);
        const proof = { sealed, stretches: of.map(provedStretch), ...(trusted && { trusted }) };
        const all = held(of);
        expect(all.map((n) => levelAt(n, proof)).join()).toBe(
          all.map((n) => byDefinition(n, of, sealed, revoked)).join(),
        );
        const grouped = byLevel(all, proof).flatMap(({ entries }) => entries);
        expect(grouped.toSorted((a, b) => a - b).join()).toBe(all.join());
      }),
      { numRuns: RUNS },
    );
  });

  test('is never lower for one more anchor, and never higher for a revocation', () => {
    fc.assert(
      fc.property(stretches, size, keys, (of, more, { revoked }) => {
        const proof = { sealed: true, stretches: of.map(provedStretch) };
        const raised = of.map((one) => provedStretch({ ...one, anchors: [...one.anchors, more] }));
        const trusted = trustedRange(...(revoked ?? [0, true]), of);
        const wrong = held(of).filter((n) => {
          const level = levelAt(n, proof);
          const under = levelAt(n, { ...proof, trusted });
          const isRaised = levelAt(n, { ...proof, stretches: raised }) >= level;
          return !isRaised || under !== (isTrusted(n, trusted) ? level : 'A0');
        });
        expect(wrong.join()).toBe('');
      }),
      { numRuns: RUNS },
    );
  });

  test('of all entries of a bundle is no other than the one that its log has in the verdict', () => {
    const log: BelievedLog = {
      vkey: new AnchoredLog('one').vkey,
      keyFrom: 'policy',
      enrolment: new Uint8Array(32) as never,
      ak: new Uint8Array(91),
      counter: '00',
      tpmClass: 'hardware',
    } as never;
    const all = fc.record({
      anchors: fc.array(fc.integer({ min: 1, max: SIZE_MAX }), { maxLength: 4 }),
      cosigned: size,
    });
    fc.assert(
      fc.property(
        all,
        fc.uniqueArray(fc.nat({ max: SIZE_MAX - 1 }), { minLength: 1 }),
        ({ anchors, cosigned }, asked) => {
          const end = Math.max(...asked) + 1;
          const above = anchors.filter((at) => at >= end);
          const receipt = { witness: 'w', roles: ['independent'] as const, size: cosigned, timestampS: 0 };
          const { level } = assuranceOf({
            log,
            anchors: { found: 0, verified: 0, size: Math.max(0, ...anchors), refused: [], continuity: [] },
            receipts: cosigned === 0 ? [] : [receipt],
            first: 0,
            end,
            covering: above.length === 0 ? undefined : Math.min(...above),
            tailAllowed: false,
          });
          const stretch = provedStretch({ first: 0, end: SIZE_MAX, anchors, cosigned });
          const lowest = asked.map((n) => levelAt(n, { sealed: true, stretches: [stretch] })).sort()[0];
          expect(lowest).toBe(level);
        },
      ),
      { numRuns: RUNS },
    );
  });

  test('as decisions read it back from their row is the same, and a trial or a ceiling never lifts what was revoked', () => {
    fc.assert(
      fc.property(stretches, keys, fc.boolean(), (of, { sealed, revoked }, emulated) => {
        const trusted = revoked && trustedRange(revoked[0], revoked[1], of);
        const row = rowOf(of, sealed, emulated, trusted);
        const answers = held(of).map((n) => {
          const proof = { ...row, below: n < (row.segment_first ?? 0) ? row.below : null };
          const level = byDefinition(n, of, sealed, revoked);
          const asHardware = byDefinition(n, of, true, revoked);
          const most = asHardware === 'A3' ? 'A2' : asHardware;
          const software = level === 'A0' && isTrusted(n, trusted) ? 'A1' : level;
          const given = [
            provedLevel(n, proof),
            entryLevel(n, proof, {}),
            entryLevel(n, proof, { trial: 'emulated_tpm' }),
            entryLevel(n, proof, { trial: 'software_keys' }),
            entryLevel(n, proof, { ceiling: 'A1' }),
          ];
          const lowered = level > 'A1' ? 'A1' : level;
          return [given.join(), [level, level, emulated && !sealed ? most : level, software, lowered].join()];
        });
        expect(answers.map(([given]) => given).join(' ')).toBe(answers.map(([, wanted]) => wanted).join(' '));
      }),
      { numRuns: RUNS },
    );
  });
});

/** What the assurance book notes of a log: its own proof of the stretches, as a row. */
function rowOf(
  of: readonly Stretch[],
  sealed: boolean,
  emulated: boolean,
  trusted: ReturnType<typeof trustedRange> | undefined,
): LogProof {
  const proved: readonly ProvedStretch[] = of.map(provedStretch);
  const newest = proved.at(-1);
  const [noted] = proveLogs([
    { origin: 'o', trust: '', believed: undefined, held: { first: 0, end: 0 }, stretches: of, attested: [] },
  ]);
  expect(noted?.segmentFirst).toBe(newest?.first);
  expect(noted?.below.map(({ first }) => first)).toEqual(proved.slice(0, -1).map(({ first }) => first));
  return {
    sealed,
    emulated,
    segment_first: newest?.first ?? 0,
    below: proved.length < 2 ? null : proved.slice(0, -1),
    anchored_size: newest?.anchored ?? 0,
    witnessed_size: newest?.witnessed ?? 0,
    revoked_size: trusted?.end ?? null,
    revoked_first: trusted?.first ?? 0,
  };
}
