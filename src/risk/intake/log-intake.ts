/**
 * What intake knows of one log while it runs: what was accepted, what of it is durable, what was receipted, and what it
 * waits for. It decides nothing about bytes; gateway-intake.ts feeds it, writer.ts makes it durable.
 */
import { assert } from '../../base/assert.ts';
import { equalBytes } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type Frontier, rootOf } from '../../evidence/log/tree.ts';
import { type Asked, askDueMs, askedNow } from './asking.ts';
import { growSpans, holesOf, receiptableSpan, type Span, wantedFirst } from './placing.ts';
import type { Cosigned, HeldLog } from './store.ts';

/** Questions for a hole that nothing fills, per start: the gateway has probably pruned it. */
const HOLE_ASKS_MAX = 3;
/** A checkpoint above what we hold is asked for only after nothing came for this long. */
const QUIET_MS = 15_000;

export type ReceiptState =
  /** What is held continues what was receipted. */
  | 'ok'
  /** Not yet compared, or less is held than was receipted. */
  | 'behind'
  /** The tree held is another one. Never receipted again. */
  | 'contradicted';

/** A verified checkpoint that names more than is held, or waits to be compared. */
export interface Announced {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: Uint8Array;
}

export class LogIntake {
  readonly gateway: string;
  readonly origin: string;
  /** Durable, and queued to become so. */
  accepted: readonly Span[] = [];
  durable: readonly Span[] = [];
  cosigned: Cosigned | undefined;
  receiptState: ReceiptState = 'ok';
  /** The newest receipt as sent, and when. */
  receipt: Uint8Array | undefined;
  receiptSize = -1;
  receiptSentMs = Number.NEGATIVE_INFINITY;
  announced: Announced | undefined;
  forks = 0;
  cutBytes = 0;
  /** Holes that end at or below this are accepted by the operator. */
  acceptedBelow = 0;
  lastProgressMs = 0;
  #notes = new Map<number, Uint8Array>();
  #asked: Asked | undefined;
  #holeAsks = 0;

  constructor(gateway: string, origin: string) {
    this.gateway = gateway;
    this.origin = origin;
  }

  /** Takes over what the store holds; what was queued is forgotten. */
  load(held: HeldLog | undefined): void {
    const segments = held?.segments ?? [];
    this.durable = segments.map(({ first, end }) => ({ first, end }));
    this.accepted = this.durable;
    this.#notes = new Map(segments.flatMap(({ end, note }) => (note === undefined ? [] : [[end.size, note] as const])));
    this.cosigned = held?.cosigned;
    this.forks = held?.forks ?? 0;
    this.cutBytes = held?.cutBytes ?? 0;
    if (this.receiptState !== 'contradicted') this.receiptState = this.cosigned === undefined ? 'ok' : 'behind';
  }

  queue(from: number, after: Frontier): void {
    this.accepted = growSpans(this.accepted, from, after);
  }

  stored(from: number, after: Frontier, note: Uint8Array | undefined): void {
    this.durable = growSpans(this.durable, from, after);
    this.#notes.delete(from);
    if (note !== undefined) this.#notes.set(after.size, note);
  }

  /** The signed note of the newest durable tree, for the proof of a fork. */
  get newestNote(): Uint8Array | undefined {
    return this.#notes.get(this.durableSize);
  }

  /** Everything below is accepted, as far as something is. */
  get topSize(): number {
    return this.accepted.at(-1)?.end.size ?? 0;
  }

  /** Entries that are stored. */
  get heldCount(): number {
    return this.durable.reduce((sum, span) => sum + span.end.size - span.first, 0);
  }

  get durableSize(): number {
    return this.durable.at(-1)?.end.size ?? 0;
  }

  /** Size below which everything is durable, accepted gaps aside. */
  get receiptableSize(): number {
    return receiptableSpan(this.durable, this.acceptedBelow)?.end.size ?? 0;
  }

  get gaps(): readonly { readonly from: number; readonly to: number }[] {
    return holesOf(this.durable);
  }

  /**
   * The tree to cosign next, or undefined when there is none: nothing is held from entry 0 on, or receipts are not
   * allowed. May be the one cosigned already.
   */
  nextCosigned(crypto: EvidenceCrypto): Cosigned | undefined {
    if (this.receiptState !== 'ok') return undefined;
    const span = receiptableSpan(this.durable, this.acceptedBelow);
    const note = span === undefined ? undefined : this.#notes.get(span.end.size);
    const next = span && note && { size: span.end.size, root: rootOf(crypto, span.end), note };
    const last = this.cosigned;
    if (last === undefined || (next !== undefined && next.size > last.size)) return next;
    return last;
  }

  /** The tree at the receipted size, compared with what was cosigned. `undefined`: that size lies in an accepted gap. */
  compareCosigned(crypto: EvidenceCrypto, tree: Frontier | undefined): void {
    const last = this.cosigned;
    assert(last !== undefined, 'only a receipted log is compared');
    const agrees = tree === undefined || (tree.size === last.size && equalBytes(rootOf(crypto, tree), last.root));
    this.receiptState = agrees ? 'ok' : 'contradicted';
  }

  /**
   * The index to ask for now, and notes that it was asked for. `firstAhead` is the lowest parked batch that waits for
   * its predecessors.
   */
  ask(nowMs: number, firstAhead: number | undefined): number | undefined {
    const wanted = this.#wanted(nowMs, firstAhead);
    if (wanted === undefined || nowMs < askDueMs(this.#asked, wanted.first)) return undefined;
    this.#asked = askedNow(this.#asked, wanted.first, nowMs);
    if (wanted.isHole) this.#holeAsks += 1;
    return wanted.first;
  }

  get asked(): Asked | undefined {
    return this.#asked;
  }

  /** Where the entries end that come next below `first`. */
  missingBelow(first: number): number {
    return this.accepted.findLast((span) => span.end.size <= first)?.end.size ?? 0;
  }

  #wanted(
    nowMs: number,
    firstAhead: number | undefined,
  ): { readonly first: number; readonly isHole: boolean } | undefined {
    if (firstAhead !== undefined) return { first: this.missingBelow(firstAhead), isHole: false };
    const hole = this.gaps[0];
    if (hole !== undefined && hole.to > this.acceptedBelow && this.#holeAsks < HOLE_ASKS_MAX) {
      return { first: wantedFirst(this.accepted), isHole: true };
    }
    const isShort = (this.announced?.size ?? 0) > this.topSize && nowMs - this.lastProgressMs > QUIET_MS;
    return isShort ? { first: this.topSize, isHole: false } : undefined;
  }
}
