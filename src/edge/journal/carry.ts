/**
 * Taking entries over from a log that no longer sends them into the one that does.
 *
 * At least once: a crash in between carries on where the new log's rows say, and twins are recognised by the hash of the
 * original leaf. An entry that was carried already keeps the place of its original, however often it is carried on.
 */

import { base64url, equalBytes } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { timeOf } from '../../base/wall-time.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Carried, CustodyEvent, EventBody } from '../../evidence/event/event.ts';
import { parseLeaf } from '../../evidence/event/leaf.ts';
import { leafHash } from '../../evidence/log/tree.ts';
import type { JournalDraft } from './draft-queue.ts';
import type { LogDatabase } from './log-database.ts';

export interface CarrySource {
  readonly database: LogDatabase;
  /** First index that the log no longer sends. */
  readonly from: number;
}

export type CarryItem =
  | { readonly kind: 'entry'; readonly event: CustodyEvent; readonly carried: Carried }
  /** Erased, or damaged so far that body and leaf hash do not fit: there is nothing to carry. */
  | { readonly kind: 'gone'; readonly index: number };

/** The entries of a source in order. Reads past damage: what does not fit its hash is reported as gone. */
export function* itemsToCarry(crypto: EvidenceCrypto, source: CarrySource): Generator<CarryItem> {
  const { database, from } = source;
  const end = database.size();
  let at = from;
  while (at < end) {
    try {
      for (const entry of database.leaves(at, end)) {
        yield itemOf(crypto, database.origin, entry.index, entry.hash, entry.leaf);
        at = entry.index + 1;
      }
      if (at < end) throw new LatchkeyError('JOURNAL_DAMAGED', `${database.path} ends at ${at}, expected ${end}`);
    } catch (error) {
      if (!(error instanceof LatchkeyError) || error.code !== 'JOURNAL_DAMAGED') throw error;
      yield { kind: 'gone', index: at };
      at += 1;
    }
  }
}

function itemOf(
  crypto: EvidenceCrypto,
  origin: string,
  index: number,
  hash: Uint8Array,
  leaf: Uint8Array | undefined,
): CarryItem {
  const gone: CarryItem = { kind: 'gone', index };
  if (leaf === undefined || !equalBytes(leafHash(crypto, leaf), hash)) return gone;
  const parsed = parseLeaf(leaf);
  // A type that this version does not know was written by a newer one: the guard could not be asked about it.
  if (!parsed.ok || parsed.value.kind !== 'known') return gone;
  const { event } = parsed.value;
  if (event.log !== origin || event.n !== index) return gone;
  const { log, n, boot, up_ms } = event;
  return { kind: 'entry', event, carried: event.carried ?? { log, n, boot, up_ms, leaf: base64url(hash) } };
}

/** What an event says, without its place: the part that is carried. */
export function bodyOf(event: CustodyEvent): EventBody {
  const { type, device, compartment, parcel, actor, seen, data } = event;
  return {
    type,
    data,
    ...(device !== undefined && { device }),
    ...(compartment !== undefined && { compartment }),
    ...(parcel !== undefined && { parcel }),
    ...(actor !== undefined && { actor }),
    ...(seen !== undefined && { seen }),
  };
}

/** The draft that takes it over: wall clock and claim of the original, `up_ms` of now. */
export function carriedDraft(item: CarryItem & { readonly kind: 'entry' }, upMs: number): JournalDraft {
  const { event, carried } = item;
  const { at, clock, withheld } = event;
  return {
    observed: { wallMs: timeOf(at), upMs, clock },
    body: bodyOf(event),
    carried,
    own: true,
    ...(withheld !== undefined && { withheld }),
  };
}

/** The carried entries that stand directly after entry 0 already, in order: where a crash left off. */
export function* carriedAlready(database: LogDatabase): Generator<Carried> {
  for (const { leaf } of database.leaves(1, database.size())) {
    const parsed = leaf === undefined ? undefined : parseLeaf(leaf);
    const carried = parsed?.ok ? parsed.value.event.carried : undefined;
    if (carried === undefined) return;
    yield carried;
  }
}

export function isSameCarried(a: Carried | undefined, b: Carried): boolean {
  return a !== undefined && a.log === b.log && a.n === b.n && a.leaf === b.leaf;
}
