/**
 * Gives a draft its place: origin, index, salt, times. The result is the exact leaf and its hash.
 *
 * This is the hot path: members stand in the order in which they are written, salts come out of a pool, and the text of
 * the wall clock is kept for the millisecond.
 */
import { randomFillSync } from 'node:crypto';
import { wallText } from '../../base/clock.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Carried, CustodyEvent, EventBody } from '../../evidence/event/event.ts';
import { encodeLeaf } from '../../evidence/event/leaf.ts';
import { leafHash } from '../../evidence/log/tree.ts';
import type { Observed } from '../contracts/observed.ts';

const SALT_BYTES = 16;
const SALTS_POOLED = 1_024;

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
    const leaf = encodeLeaf(event as CustodyEvent);
    return { leaf, hash: leafHash(this.#crypto, leaf) };
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
