/**
 * Gives a draft its place: origin, index, salt, times. The result is the exact leaf and its hash.
 *
 * This is the hot path: members stand in the order in which they are written, salts come out of a pool, the text of the
 * wall clock is kept for the millisecond, and leaves are written one after the other into large pieces of memory, each
 * behind the 0x00 that RFC 6962 hashes before it, so that nothing is copied for the hash.
 */
import { randomFillSync } from 'node:crypto';
import { assert } from '../../base/assert.ts';
import { wallText } from '../../base/clock.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Carried, CustodyEvent, EventBody, JsonObject } from '../../evidence/event/event.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import { LEAF_BYTES_MAX } from '../../evidence/event/leaf.ts';
import type { Observed } from '../contracts/observed.ts';

const SALT_BYTES = 16;
const SALTS_POOLED = 1_024;
/** A piece is let go of when the last of its leaves is. */
const PIECE_BYTES = 131_072;
const LEAF_PREFIX = 0x00;

export interface LeafParts {
  readonly body: EventBody;
  readonly observed: Observed;
  readonly carried: Carried | undefined;
  readonly withheld: readonly string[];
}

export interface MadeLeaf {
  readonly leaf: Uint8Array;
  readonly hash: Uint8Array;
}

type Draft = { -readonly [K in keyof CustodyEvent]?: CustodyEvent[K] };

export class LeafMaker {
  readonly #origin: string;
  readonly #boot: number;
  readonly #crypto: EvidenceCrypto;
  readonly #salts = Buffer.alloc(SALT_BYTES * SALTS_POOLED);
  #saltAt = this.#salts.length;
  #piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  #pieceAt = 0;
  #wallMs = Number.NaN;
  #wallText = '';

  constructor(origin: string, boot: number, crypto: EvidenceCrypto) {
    this.#origin = origin;
    this.#boot = boot;
    this.#crypto = crypto;
  }

  make(index: number, parts: LeafParts): MadeLeaf {
    const { body, observed, carried, withheld } = parts;
    // In the order of their names, which is that of the canonical form.
    const event: Draft = {};
    if (body.actor !== undefined) event.actor = body.actor;
    event.at = this.#at(observed.wallMs);
    event.boot = this.#boot;
    if (carried !== undefined) event.carried = carried;
    event.clock = observed.clock;
    if (body.compartment !== undefined) event.compartment = body.compartment;
    event.data = body.data;
    if (body.device !== undefined) event.device = body.device;
    event.log = this.#origin;
    event.n = index;
    if (body.parcel !== undefined) event.parcel = body.parcel;
    event.salt = this.#salt();
    if (body.seen !== undefined) event.seen = body.seen;
    event.type = body.type;
    event.up_ms = observed.upMs;
    event.v = 1;
    if (withheld.length > 0) event.withheld = withheld;
    return this.#write(canonicalJson(event as unknown as JsonObject));
  }

  #write(text: string): MadeLeaf {
    if (this.#piece.length - this.#pieceAt < 1 + 3 * text.length) {
      this.#piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
      this.#pieceAt = 0;
    }
    const { buffer } = this.#piece;
    const at = this.#pieceAt;
    this.#piece[at] = LEAF_PREFIX;
    const sizeBytes = this.#piece.write(text, at + 1, 'utf8');
    assert(sizeBytes <= LEAF_BYTES_MAX, `a leaf of ${sizeBytes} bytes`);
    this.#pieceAt = at + 1 + sizeBytes;
    return {
      leaf: new Uint8Array(buffer, at + 1, sizeBytes),
      hash: this.#crypto.sha256(new Uint8Array(buffer, at, 1 + sizeBytes)),
    };
  }

  #at(wallMs: number): string {
    if (wallMs !== this.#wallMs) {
      this.#wallMs = wallMs;
      this.#wallText = wallText(wallMs);
    }
    return this.#wallText;
  }

  /** base64url of 16 bytes of the system's generator, each used once. */
  #salt(): string {
    if (this.#saltAt === this.#salts.length) {
      randomFillSync(this.#salts);
      this.#saltAt = 0;
    }
    const text = this.#salts.toString('base64url', this.#saltAt, this.#saltAt + SALT_BYTES);
    this.#saltAt += SALT_BYTES;
    return text;
  }
}
