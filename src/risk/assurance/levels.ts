/**
 * From what is kept of a gateway's anchors to what they prove: pure. Logs of one AK and one counter are one history, and
 * what refutes it refutes all of them (FORMAT.md sections 5 and 9).
 */
import { hex } from '../../base/bytes.ts';
import type { HeldRange, LogHistory } from '../../evidence/anchor/history.ts';
import { refutedBy } from '../../evidence/verify/anchors.ts';
import { assuranceOf } from '../../evidence/verify/assurance.ts';
import { judgeGroup } from '../../evidence/verify/counted-anchors.ts';
import {
  type ProvedStretch,
  provedStretch,
  type Stretch as ReadStretch,
  type TrustedRange,
} from '../../evidence/verify/entry-levels.ts';
import type { BelievedLog } from '../../evidence/verify/trust.ts';
import type { Attested } from './attestation.ts';

/** What is kept of one log. */
export interface KeptLog {
  readonly origin: string;
  /** AK and counter under which it was read; empty when the policy names none. */
  readonly trust: string;
  readonly believed: BelievedLog | undefined;
  readonly held: HeldRange;
  /** See `Proved`. */
  readonly trusted?: TrustedRange;
  /** All that is held of it, in stretches without a gap, ascending. */
  readonly stretches: readonly Stretch[];
  readonly attested: readonly Attested[];
}

/** Its anchors are looked for among all that are known of its log. */
export type Stretch = Omit<ReadStretch, 'anchors'>;

export interface Proved {
  readonly origin: string;
  /** The key is sealed in a hardware TPM, as the policy or a record of its services says: A1 at least. */
  readonly sealed: boolean;
  /** It is called emulated instead: A0, unless a trial takes it for another. */
  readonly emulated: boolean;
  /** Where the newest stretch begins, of which both sizes are. */
  readonly segmentFirst: number;
  /** What is proved of the stretches before it. */
  readonly below: readonly ProvedStretch[];
  /** Entries below are inside a verified anchored checkpoint. */
  readonly anchoredSize: number;
  /** Entries below are inside an anchored checkpoint that is inside a cosigned one: the newest such anchor. */
  readonly witnessedSize: number;
  /** The policy revoked the key: other entries than these are not known to be the gateway's. */
  readonly trusted?: TrustedRange;
  readonly refuted?: string;
  /** Why the level is not higher. */
  readonly why: string;
}

export function proveLogs(logs: readonly KeptLog[]): readonly Proved[] {
  const byTrust = new Map<string, KeptLog[]>();
  for (const log of logs) byTrust.set(log.trust, [...(byTrust.get(log.trust) ?? []), log]);
  return [...byTrust].flatMap(([trust, group]) => (trust === '' ? group.map(unanchored) : proveHistory(group)));
}

function unanchored(log: KeptLog): Proved {
  return { origin: log.origin, ...sizesOf(log, []), ...trusting(log), ...sealing(log.believed) };
}

type Sizes = Pick<Proved, 'segmentFirst' | 'below' | 'anchoredSize' | 'witnessedSize'>;

/** Nothing shows that what stands before a gap is in a tree that ends behind it: each stretch has its own anchors. */
function sizesOf({ stretches }: KeptLog, anchored: readonly number[]): Sizes {
  const proved = stretches.map((stretch) => provedStretch({ ...stretch, anchors: anchored }));
  const { first = 0, anchored: anchoredSize = 0, witnessed: witnessedSize = 0 } = proved.at(-1) ?? {};
  return { segmentFirst: first, below: proved.slice(0, -1), anchoredSize, witnessedSize };
}

function trusting({ trusted }: KeptLog): Pick<Proved, 'trusted'> {
  return trusted === undefined ? {} : { trusted };
}

function proveHistory(group: readonly KeptLog[]): readonly Proved[] {
  const histories = group.map(historyOf);
  const { findings, isOfItsLife } = judgeGroup(
    group.map((log) => ({ history: historyOf(log), enrolment: hex(log.believed?.enrolment ?? new Uint8Array()) })),
  );
  const refuted = refutedBy(findings)?.detail;
  const anchors = histories.flatMap((history) => history.anchors);
  return group.map((log) => {
    const { origin, believed } = log;
    const over = anchors.filter((anchor) => anchor.origin === origin && anchor.tree === 'same');
    const counted = over.filter(isOfItsLife);
    const sizes = counted.map(({ size }) => size);
    const proved = { origin, ...sizesOf(log, sizes) };
    return { ...proved, ...(refuted !== undefined && { refuted }), ...trusting(log), ...sealing(believed) };
  });
}

function historyOf({ origin, held, attested }: KeptLog): LogHistory {
  const opening = attested.find((each) => each.opening !== undefined)?.opening;
  return {
    origin,
    held,
    anchors: attested.flatMap(({ anchors }) => anchors),
    starts: attested.flatMap(({ starts }) => starts),
    times: attested.flatMap(({ times }) => times),
    ...(opening !== undefined && { opening }),
  };
}

/** What the key of a log is worth without any anchor. */
export function sealing(log: BelievedLog | undefined): Pick<Proved, 'sealed' | 'emulated' | 'why'> {
  if (log === undefined) return { sealed: false, emulated: false, why: 'A1: the policy does not name this log' };
  const anchors = { found: 0, verified: 0, size: 0, refused: [], continuity: [] };
  // The verifier's own words about the key; what anchors add is known here.
  const { level, whyNotHigher } = assuranceOf({ log, anchors, receipts: [], first: 0, end: 0, tailAllowed: true });
  // A disputed log is nobody's, whatever its TPM.
  const emulated = log.tpmClass === 'emulated' && log.disputed !== true;
  return { sealed: level !== 'A0', emulated, why: level === 'A0' ? (whyNotHigher[0] ?? '') : '' };
}
