/**
 * Gathers from the verified entries and notes of one log what continuity is judged by. Bounded: past its limits it holds
 * no more, and says that it holds less, so that nothing is called absent for that reason.
 */
import { unbase64url } from '../../base/bytes.ts';
import { type EvidenceCrypto, P256_SIGNATURE_BYTES } from '../crypto.ts';
import type { CustodyEvent, JsonObject } from '../event/event.ts';
import { isObject } from '../event/json.ts';
import { formatCheckpoint } from '../log/checkpoint.ts';
import { parseSignatureLine } from '../log/note.ts';
import { HASH_BYTES } from '../log/tree.ts';
import { type Anchor, type AnchorTrust, verifyAnchorLine } from './anchor.ts';
import type { LogHistory, SeenAnchor, SeenOpening, SeenStart, SeenTime } from './history.ts';
import type { AnchorReason } from './reasons.ts';
import { startStatement, verifyStatement } from './statement.ts';

/** Two years of anchors, one each quarter of an hour. */
const ITEMS_MAX = 65_536;
/** Entries of these types are read; of others only the type counts. */
export const READ_TYPES: readonly string[] = ['journal.opened', 'gateway.started', 'key.attested', 'anchor.made'];
const REFUSED_MAX = 16;

/** An entry whose attestation counts for nothing. */
export interface RefusedAnchor {
  readonly index: number;
  readonly reason: AnchorReason;
}

export class HistoryCollector {
  readonly #crypto: EvidenceCrypto;
  readonly #trust: AnchorTrust;
  readonly #origin: string;
  readonly #rootAt: (origin: string, size: number) => Uint8Array | undefined;
  readonly #anchors: SeenAnchor[] = [];
  readonly #starts: SeenStart[] = [];
  readonly #times: SeenTime[] = [];
  readonly #refused: RefusedAnchor[] = [];
  #refusedCount = 0;
  #opening: SeenOpening | undefined;
  #first: number | undefined;
  #end = 0;
  /** Type of the newest entry that is no `anchor.made`. */
  #lastType: string | undefined;

  /** `rootAt`: the root that the verified tree of a log has at a size, as far as it is still known. */
  constructor(
    crypto: EvidenceCrypto,
    trust: AnchorTrust,
    origin: string,
    rootAt: (origin: string, size: number) => Uint8Array | undefined,
  ) {
    this.#crypto = crypto;
    this.#trust = trust;
    this.#origin = origin;
    this.#rootAt = rootAt;
  }

  get anchors(): readonly SeenAnchor[] {
    return this.#anchors;
  }

  /** The first 16 of `refusedCount`. */
  get refused(): readonly RefusedAnchor[] {
    return this.#refused;
  }

  get refusedCount(): number {
    return this.#refusedCount;
  }

  /** The entry at `index` says nothing about anchors. Indices ascend; a step over some begins the held range anew. */
  pass(index: number, type: string): void {
    if (this.#isFull) return;
    this.#advance(index);
    if (type !== 'anchor.made') this.#lastType = type;
  }

  /** The entry at `index` cannot be read, so it might be an anchor. */
  unreadable(index: number): void {
    if (this.#isFull) return;
    this.#first = index + 1;
    this.#end = index + 1;
    this.#lastType = undefined;
  }

  entry(index: number, event: CustodyEvent): void {
    if (this.#isFull) return;
    this.#advance(index);
    if (event.type === 'anchor.made') this.#anchorMade(index, event);
    else if (event.type === 'gateway.started') this.#started(index, event);
    else if (event.type === 'key.attested') this.#attested(index, event);
    else if (event.type === 'journal.opened' && index === 0) this.#opening = openingOf(event);
    if (event.type !== 'anchor.made') this.#lastType = event.type;
  }

  /** Verified anchors on a note of this log's own verified tree. */
  note(size: number, root: Uint8Array, anchors: readonly Anchor[]): void {
    for (const anchor of anchors) {
      if (this.#isFull) return;
      this.#anchors.push({ ...anchor, origin: this.#origin, size, root, places: [], tree: 'same' });
    }
  }

  history(): LogHistory {
    return {
      origin: this.#origin,
      held: { first: this.#first ?? 0, end: this.#end },
      anchors: this.#anchors,
      starts: this.#starts,
      times: this.#times,
      ...(this.#opening !== undefined && { opening: this.#opening }),
    };
  }

  get #isFull(): boolean {
    return this.#anchors.length + this.#starts.length + this.#times.length + this.#refusedCount >= ITEMS_MAX;
  }

  #advance(index: number): void {
    if (this.#first === undefined || index !== this.#end) {
      this.#first = index;
      this.#lastType = undefined;
    }
    this.#end = index + 1;
  }

  #anchorMade(index: number, event: CustodyEvent): void {
    const { size, root: rootText, lines, log } = event.data;
    const root = typeof rootText === 'string' ? unbase64url(rootText) : undefined;
    if (typeof size !== 'number' || root?.length !== HASH_BYTES || !Array.isArray(lines)) return;
    const origin = typeof log === 'string' ? log : (event.carried?.log ?? this.#origin);
    const text = formatCheckpoint({ origin, size, root });
    for (const each of lines) {
      const line = typeof each === 'string' ? parseSignatureLine(each) : undefined;
      const anchor = line && verifyAnchorLine(this.#crypto, text, line, this.#trust);
      if (anchor === undefined || !anchor.ok) this.#refuse(index, anchor?.reason ?? 'key');
      else this.#made(anchor.value, { origin, size, root }, index, event);
    }
  }

  #made(anchor: Anchor, checkpoint: Pick<SeenAnchor, 'origin' | 'size' | 'root'>, index: number, event: CustodyEvent) {
    if (this.#isFull) return;
    const { carried } = event;
    const places = [
      { log: this.#origin, index },
      ...(carried === undefined ? [] : [{ log: carried.log, index: carried.n }]),
    ];
    const held = this.#rootAt(checkpoint.origin, checkpoint.size);
    const tree =
      held === undefined ? 'unknown' : held.every((byte, i) => byte === checkpoint.root[i]) ? 'same' : 'other';
    this.#anchors.push({ ...anchor, ...checkpoint, places, tree });
  }

  #started(index: number, { data, carried }: CustodyEvent): void {
    const { clean, tpm_resets: resets, tpm_restarts: restarts } = data;
    // A carried start says where it stood in its own log.
    const before = carried === undefined ? this.#lastType : undefined;
    this.#starts.push({
      log: this.#origin,
      index,
      clean: clean === true,
      // The first start of a log has entry 0 before it, and its boot before was another log's.
      ...(before !== undefined && before !== 'journal.opened' && { endedCleanly: before === 'gateway.stopped' }),
      ...(typeof resets === 'number' && { resets }),
      ...(typeof restarts === 'number' && { restarts }),
    });
  }

  #attested(index: number, event: CustodyEvent): void {
    const { attest: attestText, signature: signatureText, kind } = event.data;
    if (kind !== 'time' || typeof attestText !== 'string' || typeof signatureText !== 'string') return;
    const attest = unbase64url(attestText);
    const signature = unbase64url(signatureText);
    if (attest === undefined || signature?.length !== P256_SIGNATURE_BYTES) return;
    const { log, boot } = event.carried ?? event;
    const about = { kind, purpose: 'attested', statement: startStatement(log, boot) } as const;
    const verified = verifyStatement(this.#crypto, { attest, signature }, this.#trust.ak, about);
    if (!verified.ok) {
      this.#refuse(index, verified.reason);
      return;
    }
    const { body } = verified.value;
    if (body.kind !== 'time') return;
    const { clock, resetCount, restartCount } = body.clockInfo;
    this.#times.push({ log: this.#origin, index, time: body.time, clock, resetCount, restartCount });
  }

  #refuse(index: number, reason: AnchorReason): void {
    this.#refusedCount += 1;
    if (this.#refused.length < REFUSED_MAX) this.#refused.push({ index, reason });
  }
}

function openingOf(event: CustodyEvent): SeenOpening {
  const { after, counter } = event.data;
  return {
    log: event.log,
    ...(isObject(after) && { after: afterOf(after) }),
    ...(isObject(counter) && typeof counter['found'] === 'number' && { counter: counterOf(counter, counter['found']) }),
  };
}

function afterOf(after: JsonObject): NonNullable<SeenOpening['after']> {
  const { log, cause, size } = after;
  return { log: String(log), cause: String(cause), ...(typeof size === 'number' && { size }) };
}

function counterOf({ expected }: JsonObject, found: number): NonNullable<SeenOpening['counter']> {
  return { found, ...(typeof expected === 'number' && { expected }) };
}
