/**
 * Ids of commands that were judged in this start, taken or refused, until their time is over: afterwards the time refuses
 * them. They are kept a while longer where there is room, so that the same bytes, late, have the first answer and no other
 * one. That no command of an earlier start is taken needs no memory: it names another start.
 *
 * Each granted key has a share of its own: one that is in wrong hands fills that, and takes no room from the others.
 */
import { assert } from '../../base/assert.ts';

/** Of all keys together. */
export const IDS_MAX = 4_096;
/** Of them, of commands that were refused: those may name an end as far away as they like. */
export const REFUSED_IDS_MAX = 512;
/** Beyond its share, for what must never be refused for want of room. */
export const SPARE_IDS = 16;
/** So long a reply may wait (reply-box.ts), and its sender ask again. */
export const KEPT_AFTER_MS = 600_000;
/** Replies are kept for those who ask twice; the oldest of a key go first. */
const REPLIES_MAX = 256;

/** What is remembered of a command. */
export interface Judged {
  readonly id: string;
  /** Of its signed bytes. */
  readonly hash: string;
  /** Key id of who signed it. */
  readonly key: string;
  readonly untilUpMs: number;
}

interface Used extends Judged {
  reply?: Uint8Array;
}

interface OfKey {
  taken: number;
  readonly refused: Set<string>;
  readonly answered: Set<string>;
}

export class UsedIds {
  readonly #share: number;
  readonly #refusedShare: number;
  readonly #repliesShare: number;
  readonly #used = new Map<string, Used>();
  readonly #byKey = new Map<string, OfKey>();

  constructor(keys: number) {
    const shareOf = (max: number): number => Math.max(1, Math.floor(max / Math.max(1, keys)));
    this.#share = shareOf(IDS_MAX);
    this.#refusedShare = shareOf(REFUSED_IDS_MAX);
    this.#repliesShare = shareOf(REPLIES_MAX);
  }

  has(id: string): boolean {
    return this.#used.has(id);
  }

  /** False when there is no room: nothing may be done for the command. `spare`: it may use what is kept free for it. */
  take(judged: Judged, nowMs: number, spare = false): boolean {
    assert(!this.#used.has(judged.id), 'an id counts once');
    const mine = this.#of(judged.key);
    const max = this.#share + (spare ? SPARE_IDS : 0);
    if (mine.taken >= max) this.#forget(nowMs);
    if (mine.taken >= max) return false;
    this.#used.set(judged.id, judged);
    mine.taken += 1;
    return true;
  }

  /** The same for one that is refused and must stay so. False: it cannot be remembered. */
  refuse(judged: Judged, nowMs: number): boolean {
    const { refused } = this.#of(judged.key);
    if (refused.size >= this.#refusedShare) this.#forget(nowMs);
    if (refused.size >= this.#refusedShare || !this.take(judged, nowMs)) return false;
    refused.add(judged.id);
    return true;
  }

  /** Whether the id was taken with these very bytes. */
  isOf(id: string, hash: string): boolean {
    return this.#used.get(id)?.hash === hash;
  }

  answered(id: string, reply: Uint8Array): void {
    const used = this.#used.get(id);
    if (used === undefined) return;
    used.reply = reply;
    const { answered } = this.#of(used.key);
    answered.add(id);
    const [oldest] = answered;
    if (answered.size <= this.#repliesShare || oldest === undefined) return;
    answered.delete(oldest);
    delete this.#used.get(oldest)?.reply;
  }

  replyTo(id: string, hash: string): Uint8Array | undefined {
    return this.isOf(id, hash) ? this.#used.get(id)?.reply : undefined;
  }

  forgetOld(nowMs: number): void {
    this.#forget(nowMs - KEPT_AFTER_MS);
  }

  #of(key: string): OfKey {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const made: OfKey = { taken: 0, refused: new Set(), answered: new Set() };
    this.#byKey.set(key, made);
    return made;
  }

  /** What ended before. */
  #forget(upMs: number): void {
    for (const [id, { key, untilUpMs }] of this.#used) {
      if (untilUpMs >= upMs) continue;
      const mine = this.#of(key);
      this.#used.delete(id);
      mine.taken -= 1;
      mine.refused.delete(id);
      mine.answered.delete(id);
    }
  }
}
