/**
 * Gives a draft its place: origin, index, salt, times. The result is the exact leaf and its hash.
 *
 * This is the hot path: the text is put together from pieces in the order of RFC 8785, most of which are the same from
 * one event to the next, instead of building an object and writing that. Salts come out of a pool, and leaves are written
 * one after the other into large pieces of memory, each behind the 0x00 that RFC 6962 hashes before it, so that nothing
 * is copied for the hash.
 */
import { randomFillSync } from 'node:crypto';
import { assert } from '../../base/assert.ts';
import { wallText } from '../../base/clock.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Carried, ClockClaim, EventBody, ParcelRef } from '../../evidence/event/event.ts';
import { canonicalJson, canonicalString } from '../../evidence/event/json.ts';
import { LEAF_BYTES_MAX } from '../../evidence/event/leaf.ts';
import type { Observed } from '../contracts/observed.ts';

const SALT_BYTES = 16;
/** base64url of 16 bytes, without padding. */
const SALT_UNITS = 22;
const SALTS_POOLED = 256;
/** What a salt takes in the pool, so that each begins where a group of base64 does. */
const POOLED_BYTES = 18;
const POOLED_UNITS = 24;
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

export class LeafMaker {
  readonly #boot: number;
  readonly #crypto: EvidenceCrypto;
  readonly #log: string;
  readonly #saltBytes = Buffer.alloc(POOLED_BYTES * SALTS_POOLED);
  #salts = '';
  #saltAt = 0;
  #piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  #pieceAt = 0;
  #wallMs = Number.NaN;
  #wallText = '';
  #clock: ClockClaim | undefined;
  #clockText = '';

  constructor(origin: string, boot: number, crypto: EvidenceCrypto) {
    this.#boot = boot;
    this.#crypto = crypto;
    this.#log = `,"log":${canonicalString(origin)},"n":`;
  }

  make(index: number, { body, observed, carried, withheld }: LeafParts): MadeLeaf {
    assert(Number.isSafeInteger(index) && Number.isSafeInteger(observed.upMs), 'index and time are integers');
    const { actor, compartment, device, parcel, seen } = body;
    // In the order of their names, which is that of the canonical form.
    let text = actor === undefined ? '{"at":"' : `{"actor":${canonicalJson({ ...actor })},"at":"`;
    text += `${this.#at(observed.wallMs)}","boot":${this.#boot}`;
    if (carried !== undefined) text += `,"carried":${canonicalJson({ ...carried })}`;
    text += this.#clockMember(observed.clock);
    if (compartment !== undefined) text += `,"compartment":${canonicalString(compartment)}`;
    text += `,"data":${canonicalJson(body.data)}`;
    if (device !== undefined) text += `,"device":${canonicalString(device)}`;
    text += this.#log + index;
    if (parcel !== undefined) text += `,"parcel":${parcelText(parcel)}`;
    text += `,"salt":"${this.#salt()}"`;
    if (seen !== undefined) text += `,"seen":${canonicalJson({ ...seen })}`;
    text += `,"type":${canonicalString(body.type)},"up_ms":${observed.upMs},"v":1`;
    return this.#write(withheld.length === 0 ? `${text}}` : `${text},"withheld":${canonicalJson(withheld)}}`);
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

  /** The clock's source says the same for minutes. */
  #clockMember(clock: ClockClaim): string {
    if (clock.src !== this.#clock?.src || clock.err_ms !== this.#clock.err_ms) {
      this.#clockText = `,"clock":${canonicalJson({ ...clock })}`;
      this.#clock = clock;
    }
    return this.#clockText;
  }

  /** base64url of 16 bytes of the system's generator, each used once. */
  #salt(): string {
    if (this.#saltAt === this.#salts.length) this.#fillSalts();
    const text = this.#salts.slice(this.#saltAt, this.#saltAt + SALT_UNITS);
    this.#saltAt += POOLED_UNITS;
    return text;
  }

  /** All in one call: 16 random bytes and two of zeros each, whose text begins with that of the 16 alone. */
  #fillSalts(): void {
    const bytes = randomFillSync(this.#saltBytes);
    for (let at = SALT_BYTES; at < bytes.length; at += POOLED_BYTES) bytes.fill(0, at, at + POOLED_BYTES - SALT_BYTES);
    this.#salts = bytes.toString('base64url');
    this.#saltAt = 0;
  }
}

/** A reference has these two members: they are in order whatever the order in which they were given. */
function parcelText({ ref, scheme }: ParcelRef): string {
  return `{"ref":${canonicalString(ref)},"scheme":${canonicalString(scheme)}}`;
}
