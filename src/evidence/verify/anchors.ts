/**
 * The anchors of one log in a verdict: those on its notes, those in its entries and those on notes from beside the file,
 * joined to the one tree that was verified. An anchor counts only where that tree has its root.
 */
import { equalBytes, hex, unhex } from '../../base/bytes.ts';
import { type Anchor, type AnchorTrust, verifyAnchors } from '../anchor/anchor.ts';
import { attestationKey } from '../anchor/attestation-key.ts';
import { HistoryCollector, READ_TYPES, type RefusedAnchor } from '../anchor/collect.ts';
import type { ContinuityFinding } from '../anchor/findings.ts';
import type { SeenAnchor } from '../anchor/history.ts';
import { mergeHistories } from '../anchor/merge.ts';
import { checkLeaf } from '../batch/check-leaf.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import type { LeafUse } from '../event/guard.ts';
import { parseCheckpoint } from '../log/checkpoint.ts';
import { type Note, verifyLogNote } from '../log/note.ts';
import { type EnrolledHistory, judgeGroup } from './counted-anchors.ts';
import type { BelievedLog } from './trust.ts';
import type { Failure } from './verdict.ts';

/** Shorter than any anchor, longer than the line of any other key that is in use. */
const ANCHOR_BYTES_MIN = 128;
const UNJOINED_MAX = 4_096;

export interface AnchorsFinding {
  /** Anchors in the file: of the policy's AK and counter, and others that look like one. */
  readonly found: number;
  /** Those that verify, each counter value once. */
  readonly verified: number;
  /** Entries below are inside a verified anchored checkpoint of this tree; 0 when there is none. */
  readonly size: number;
  readonly newest?: NewestAnchor;
  /** Those over this tree that do not count, since the TPM was cleared between the log's enrolment and them. */
  readonly cleared?: number;
  /** Entries whose attestation counts for nothing: the first 16. */
  readonly refused: readonly RefusedAnchor[];
  /** Sizes that anchors name, whose root is in the file and was not kept until their entry came: read again with these. */
  readonly unjoined?: readonly number[];
  readonly continuity: readonly ContinuityFinding[];
}

export interface NewestAnchor {
  readonly counter: number;
  readonly size: number;
  /** Milliseconds of the TPM's clock, decimal. */
  readonly clockMs: string;
  readonly resets: number;
  readonly restarts: number;
  readonly safe: boolean;
}

interface Beside {
  readonly size: number;
  readonly root: Uint8Array;
  readonly anchors: readonly Anchor[];
}

export class LogAnchors {
  readonly #crypto: EvidenceCrypto;
  readonly #log: BelievedLog;
  readonly #trust: AnchorTrust | undefined;
  readonly #collector: HistoryCollector | undefined;
  readonly #rootAt: (size: number) => Uint8Array | undefined;
  /** What the logs of the AK and counter show, this one too in its other parts and files. */
  #around: readonly EnrolledHistory[] = [];
  #beside: Beside[] = [];
  /** Lines on notes that look like anchors and are not of the AK. */
  #strange = 0;

  /** `rootAt`: what the verified tree of this log has, as far as it is known. */
  constructor(crypto: EvidenceCrypto, log: BelievedLog, rootAt: (size: number) => Uint8Array | undefined) {
    this.#crypto = crypto;
    this.#log = log;
    this.#rootAt = rootAt;
    const origin = log.vkey.name;
    this.#trust = anchorTrustOf(crypto, log);
    if (this.#trust === undefined) return;
    const ownRootAt = (of: string, size: number): Uint8Array | undefined => (of === origin ? rootAt(size) : undefined);
    this.#collector = new HistoryCollector(crypto, this.#trust, origin, ownRootAt);
  }

  /** False: no policy names an AK and a counter, so entries need not be looked at. */
  get reads(): boolean {
    return this.#collector !== undefined;
  }

  /** A note of the verified tree. A line of the AK that fails refutes it, as one of any known key does. */
  note(note: Note): Failure | undefined {
    if (note.signatures.length < 2) return undefined;
    const checkpoint = parseCheckpoint(note.text);
    const anchors = this.#anchorsOn(note);
    if ('reason' in anchors) return anchors;
    if (checkpoint.ok) this.#collector?.note(checkpoint.value.size, checkpoint.value.root, anchors);
    return undefined;
  }

  /** A note from beside the file: what does not verify says nothing for or against it. */
  addBeside(bytes: Uint8Array): void {
    const verified = verifyLogNote(this.#crypto, bytes, this.#log.vkey);
    if (!verified.ok) return;
    const { note, checkpoint } = verified.value;
    const anchors = this.#anchorsOn(note);
    if (!('reason' in anchors) && anchors.length > 0) this.#beside.push({ ...checkpoint, anchors });
  }

  /** The verified tree was found to have this root at this size. */
  reached(size: number, root: Uint8Array): void {
    this.#beside = this.#beside.filter((beside) => {
      if (beside.size !== size) return true;
      if (equalBytes(beside.root, root)) this.#collector?.note(size, root, beside.anchors);
      return false;
    });
  }

  entry(index: number, leaf: Uint8Array, use: LeafUse): void {
    if (this.#collector === undefined) return;
    const type = glancedType(leaf);
    if (type === undefined || (use.use === 'opaque' && use.why === 'unknown_version')) {
      this.#collector.unreadable(index);
      return;
    }
    if (!READ_TYPES.includes(type)) {
      this.#collector.pass(index, type);
      return;
    }
    const checked = use.use === 'accepted' ? checkLeaf(this.#log.vkey.name, index, leaf) : undefined;
    if (checked?.ok && checked.value.event !== undefined) this.#collector.entry(index, checked.value.event);
    else this.#collector.unreadable(index);
  }

  /** Its body is gone, so it might have been an anchor. */
  erased(index: number): void {
    this.#collector?.unreadable(index);
  }

  enrolled(): EnrolledHistory | undefined {
    const { enrolment } = this.#log;
    const history = this.#collector?.history();
    return history && { history, enrolment: enrolment === undefined ? '' : hex(enrolment) };
  }

  /** Before it is asked what counts: an anchor of this log may stand in another one, and what tells of a clear anywhere. */
  surround(shown: readonly EnrolledHistory[]): void {
    this.#around = shown;
  }

  /** Sizes in (first, end] that verified anchors name and that `rootAt` did not know any more. */
  unjoined(first: number, end: number): readonly number[] {
    const seen = [...(this.#collector?.anchors ?? []), ...this.#elsewhere()];
    const own = seen.filter(({ origin }) => origin === this.#log.vkey.name);
    const sizes = own
      .filter(({ tree, size }) => tree === 'unknown' && size > first && size <= end)
      .map(({ size }) => size);
    return [...new Set(sizes)].slice(0, UNJOINED_MAX);
  }

  /** Of this log alone. Anchors of the time after a clear are of a TPM that must be enrolled again. */
  finding(): AnchorsFinding {
    const none = { found: this.#strange, verified: 0, size: 0, refused: [], continuity: [] };
    if (this.#collector === undefined) return none;
    const { anchors, refused, refusedCount } = this.#collector;
    const { findings, counted, cleared } = this.#counted();
    const newest = counted.reduce(
      (best: SeenAnchor | undefined, each) => (larger(each, best) ? each : best),
      undefined,
    );
    const verified = new Set([...anchors, ...this.#elsewhere()].map((anchor) => anchor.counter)).size;
    return {
      ...none,
      found: verified + refusedCount + this.#strange,
      verified,
      size: newest?.size ?? 0,
      refused,
      continuity: findings,
      ...(newest !== undefined && { newest: describe(newest) }),
      ...(cleared > 0 && { cleared }),
    };
  }

  /** Sizes of those that count. */
  sizes(): readonly number[] {
    return this.#counted().counted.map(({ size }) => size);
  }

  /** Size of the smallest anchor that counts and covers all of [0, end), when there is one. */
  covering(end: number): number | undefined {
    const above = this.sizes().filter((size) => size >= end);
    return above.length === 0 ? undefined : Math.min(...above);
  }

  #counted(): {
    readonly findings: readonly ContinuityFinding[];
    readonly counted: readonly SeenAnchor[];
    readonly cleared: number;
  } {
    const own = this.enrolled();
    if (own === undefined) return { findings: [], counted: [], cleared: 0 };
    const alone = judgeGroup([own]);
    const { isOfItsLife } = this.#around.length === 0 ? alone : judgeGroup(this.#withAround(own));
    const seen = [...own.history.anchors, ...this.#elsewhere()];
    const joined = seen.filter(({ origin, tree }) => origin === this.#log.vkey.name && tree === 'same');
    const counted = joined.filter(isOfItsLife);
    return { findings: alone.findings, counted, cleared: joined.length - counted.length };
  }

  /** Each log once. */
  #withAround(own: EnrolledHistory): readonly EnrolledHistory[] {
    const isOwn = ({ history }: EnrolledHistory): boolean => history.origin === own.history.origin;
    const others = this.#around.filter((each) => !isOwn(each));
    const again = this.#around.find(isOwn);
    return [again === undefined ? own : { ...own, history: mergeHistories(own.history, again.history) }, ...others];
  }

  /** Anchors over this log in entries of others, as far as this tree has their roots. */
  #elsewhere(): readonly SeenAnchor[] {
    return this.#around
      .filter(({ history }) => history.origin !== this.#log.vkey.name)
      .flatMap(({ history }) => history.anchors)
      .filter(({ origin }) => origin === this.#log.vkey.name)
      .map((anchor) => {
        const root = this.#rootAt(anchor.size);
        return { ...anchor, tree: root === undefined ? 'unknown' : equalBytes(root, anchor.root) ? 'same' : 'other' };
      });
  }

  #anchorsOn(note: Note): readonly Anchor[] | Failure {
    const verified = this.#trust === undefined ? undefined : verifyAnchors(this.#crypto, note, this.#trust);
    if (verified?.ok === false) return { reason: `anchor_${verified.reason}`, detail: verified.detail };
    const anchors = verified?.value ?? [];
    const looks = note.signatures.filter(
      (line) => line.name === this.#log.vkey.name && line.signature.length >= ANCHOR_BYTES_MIN,
    );
    this.#strange += looks.length - anchors.length;
    return anchors;
  }
}

/** Undefined when the policy does not name both, or names an AK that is no P-256 key. */
export function anchorTrustOf(crypto: EvidenceCrypto, log: BelievedLog): AnchorTrust | undefined {
  const ak = log.ak === undefined ? undefined : attestationKey(crypto, log.ak);
  const counter = log.counter === undefined ? undefined : unhex(log.counter);
  return ak === undefined || counter === undefined ? undefined : { ak, counter };
}

/** The first finding that refutes. */
export function refutedBy(findings: readonly ContinuityFinding[]): Failure | undefined {
  const found = findings.find((finding) => finding.kind === 'refuted');
  return found && { reason: 'anchor_continuity', detail: `${found.name}: ${found.detail}` };
}

const TYPE_MEMBER = Array.from('"type":"', (unit) => unit.charCodeAt(0));

/**
 * `type` of a leaf of version 1 without reading the rest: the last member of that name, since `data` stands before it
 * and no quote inside of a string is bare.
 */
export function glancedType(leaf: Uint8Array): string | undefined {
  for (let at = leaf.length - TYPE_MEMBER.length; at >= 0; at -= 1) {
    // Most bytes are no quote: only at one is the rest compared.
    if (leaf[at] !== 0x22 || !TYPE_MEMBER.every((byte, i) => leaf[at + i] === byte)) continue;
    const from = at + TYPE_MEMBER.length;
    const end = leaf.indexOf(0x22, from);
    return end < 0 ? undefined : String.fromCharCode(...leaf.subarray(from, Math.min(end, from + 64)));
  }
  return undefined;
}

function larger(a: SeenAnchor, b: SeenAnchor | undefined): boolean {
  return b === undefined || a.size > b.size || (a.size === b.size && a.counter > b.counter);
}

function describe({ counter, size, clock, resetCount, restartCount, safe }: SeenAnchor): NewestAnchor {
  return { counter, size, clockMs: `${clock}`, resets: resetCount, restarts: restartCount, safe };
}
