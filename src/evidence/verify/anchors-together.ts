/**
 * What several logs, of one file or of several, show of one TPM: logs of one AK and one counter are one history. An anchor
 * over a log that was closed may stand in an entry of the log after it, and a clear in any of them.
 */
import { equalBytes, hex } from '../../base/bytes.ts';
import type { ContinuityFinding } from '../anchor/findings.ts';
import type { SeenAnchor } from '../anchor/history.ts';
import { mergeHistories } from '../anchor/merge.ts';
import { type LogAnchors, refutedBy } from './anchors.ts';
import { type EnrolledHistory, judgeGroup } from './counted-anchors.ts';
import type { BelievedLog } from './trust.ts';
import type { Failure } from './verdict.ts';

/** Roots that verified trees of a log have at a size: of one in parts, there may be several. */
export type RootsAt = (origin: string, size: number) => readonly Uint8Array[];

/** Of a log, in a second reading. */
const SIZES_MAX = 4_096;

export class AnchorsTogether {
  /** By AK and counter, then by origin. */
  readonly #groups = new Map<string, Map<string, EnrolledHistory>>();
  readonly #counts = new Map<string, number>();

  add(log: BelievedLog, anchors: LogAnchors): void {
    const enrolled = anchors.enrolled();
    const name = nameOf(log);
    if (enrolled !== undefined && name !== undefined) this.#put(name, enrolled);
  }

  /** What another file showed. */
  take(other: AnchorsTogether): void {
    for (const [name, logs] of other.#groups) for (const each of logs.values()) this.#put(name, each);
  }

  /** With what other files showed; both stay as they are. */
  with(others: AnchorsTogether | undefined): AnchorsTogether {
    if (others === undefined) return this;
    const all = new AnchorsTogether();
    all.take(this);
    all.take(others);
    return all;
  }

  /** An anchor over a log in an entry of another one is held against the trees of that log that are here. */
  join(rootsAt: RootsAt): void {
    const joined = (anchor: SeenAnchor): SeenAnchor => {
      const roots = anchor.tree === 'unknown' ? rootsAt(anchor.origin, anchor.size) : [];
      if (roots.length === 0) return anchor;
      return { ...anchor, tree: roots.some((root) => equalBytes(root, anchor.root)) ? 'same' : 'other' };
    };
    for (const group of this.#groups.values()) {
      for (const [origin, { history, enrolment }] of group) {
        group.set(origin, { enrolment, history: { ...history, anchors: history.anchors.map(joined) } });
      }
    }
  }

  /** Whether anything stands in more than one of them. */
  get isShared(): boolean {
    return [...this.#counts.values()].some((count) => count > 1);
  }

  /** What the logs of its AK and counter show; of the log itself, in all its parts and files. */
  around(log: BelievedLog): readonly EnrolledHistory[] {
    return [...(this.#groups.get(nameOf(log) ?? '')?.values() ?? [])];
  }

  /** Logs of which more, or less, is proved with the others, or with other files of them, than alone: over a clear, or by an anchor elsewhere. */
  get dependent(): ReadonlySet<string> {
    const found = new Set<string>();
    for (const [name, group] of this.#groups) {
      if ((this.#counts.get(name) ?? 0) < 2) continue;
      const logs = [...group.values()];
      if (judgeGroup(logs).isCleared) for (const origin of group.keys()) found.add(origin);
      for (const { history } of logs) {
        for (const { origin } of history.anchors) if (origin !== history.origin && group.has(origin)) found.add(origin);
      }
    }
    return found;
  }

  /** Sizes of a log that anchors name, whichever log they stand in. */
  sizesOver(origin: string): readonly number[] {
    const all = [...this.#groups.values()].flatMap((group) => [...group.values()]);
    const over = all.flatMap(({ history }) => history.anchors).filter((anchor) => anchor.origin === origin);
    return [...new Set(over.map(({ size }) => size))].slice(0, SIZES_MAX);
  }

  /** What several logs, or several files of one, show only together. */
  findings(): readonly ContinuityFinding[] {
    const judged = [...this.#groups].filter(([name]) => (this.#counts.get(name) ?? 0) > 1);
    return judged.flatMap(([, logs]) => judgeGroup([...logs.values()]).findings);
  }

  refuted(): Failure | undefined {
    return refutedBy(this.findings());
  }

  #put(name: string, one: EnrolledHistory): void {
    const group = this.#groups.get(name) ?? new Map<string, EnrolledHistory>();
    const { history } = one;
    const known = group.get(history.origin);
    const merged = known === undefined ? one : { ...one, history: mergeHistories(known.history, history) };
    group.set(history.origin, merged);
    this.#groups.set(name, group);
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}

function nameOf({ ak, counter }: BelievedLog): string | undefined {
  return ak === undefined ? undefined : `${hex(ak)} ${counter}`;
}
