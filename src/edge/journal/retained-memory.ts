/**
 * The gateway's memory outside the disk: its retained `checkpoint`, `receipt` and `enrolment` messages, verified.
 *
 * Whoever may write those topics may write anything, so nothing is believed but what a key of this gateway's logs
 * signed: the keys of the logs on this disk, and those that a chain of verified successor statements leads to. What does
 * not verify closes and breaches nothing; it is dropped and counted.
 */
import type { Result } from '../../base/result.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type Vkey, verifyLogNote } from '../../evidence/log/note.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { isAttestedStatement, verifyAttestedSuccessor } from '../../evidence/wire/attested-successor.ts';
import { type Envelope, formatEnvelope, parseEnvelopeText } from '../../evidence/wire/envelope.ts';
import { parseEnrolment } from '../../evidence/wire/messages.ts';
import { parseSuccessor, type Successor, verifySuccessor } from '../../evidence/wire/successor.ts';
import { logName } from '../../evidence/wire/topics.ts';
import type { RetainedMessage } from '../contracts/outbox.ts';
import type { Link, Memory, TreeHead } from './continuity.ts';

/** A verified successor statement with the bytes that prove it. */
export interface Statement extends Link {
  readonly successor: Successor;
  readonly envelope: Envelope;
}

export interface RetainedMemory extends Memory {
  readonly statements: readonly Statement[];
  /**
   * Retained statements by a log whose key is not known here, as after a lost database. They prove nothing to this disk,
   * and are passed on: whoever holds that key, also an older copy of this disk, must not believe that it was the last.
   */
  readonly unproved: readonly Envelope[];
  /** Key of every log that is named, held here or vouched for by the chain. */
  readonly vkeys: ReadonlyMap<string, Vkey>;
  /** The enrolment record as it was, for passing on: only the service's key says what it is worth. */
  readonly record: Envelope | undefined;
  /** Retained receipts that the log key of theirs signed: their cosignatures are judged like those of live ones. */
  readonly receipts: readonly RetainedMessage[];
  readonly refused: number;
}

/**
 * Verifies `envelopes` against the keys that are known, each accepted one adding the key that it vouches for. What this
 * box's own AK (SubjectPublicKeyInfo) quoted needs no other key.
 */
export function verifyChain(
  crypto: EvidenceCrypto,
  envelopes: readonly Envelope[],
  known: ReadonlyMap<string, Vkey>,
  ak?: Uint8Array,
): {
  readonly statements: readonly Statement[];
  readonly vkeys: ReadonlyMap<string, Vkey>;
  readonly unproved: readonly Envelope[];
  readonly refused: number;
} {
  const vkeys = new Map(known);
  const statements: Statement[] = [];
  let waiting = [...envelopes];
  for (let before = -1; waiting.length !== before; ) {
    before = waiting.length;
    waiting = waiting.filter((envelope) => {
      const statement = firstVerified(crypto, envelope, vkeys, ak);
      if (statement === undefined) return true;
      statements.push(statement);
      // A key that is held here stands; a statement may only add one.
      if (!vkeys.has(statement.next)) vkeys.set(statement.next, statement.successor.successor);
      return false;
    });
  }
  const unproved = waiting.filter((envelope) => {
    const claim = parseSuccessor(envelope);
    return claim.ok && !vkeys.has(claim.value.old);
  });
  return { statements, vkeys, unproved, refused: waiting.length };
}

/** Statements on this disk. */
export interface StoredStatements {
  /** Made here, for logs that are here. */
  readonly own: readonly Envelope[];
  /** Retained outside when an earlier start looked. */
  readonly seen: readonly Envelope[];
}

export function readMemory(
  crypto: EvidenceCrypto,
  retained: readonly RetainedMessage[],
  known: ReadonlyMap<string, Vkey>,
  stored: StoredStatements,
  ak?: Uint8Array,
): RetainedMemory {
  const enrolment = readEnrolment(retained);
  const chain = verifyChain(crypto, withoutTwins([...stored.seen, ...stored.own, ...enrolment.successors]), known, ak);
  const own = new Set(stored.own.map(formatEnvelope));
  const { vkeys } = chain;
  const heads = new Map<string, TreeHead[]>();
  const checkpoints = new Map<string, number>();
  const receipts: RetainedMessage[] = [];
  let refused = enrolment.refused + chain.refused;
  const add = (origin: string, head: TreeHead): void => {
    heads.set(origin, [...(heads.get(origin) ?? []), head]);
  };
  const byName = namesOf(vkeys);
  for (const message of retained) {
    const [kind = '', name = ''] = message.name.split('/');
    if ((kind !== 'checkpoint' && kind !== 'receipt') || message.payload.length === 0) continue;
    const note = byName.get(name)?.flatMap((vkey) => {
      const verified = verifyLogNote(crypto, message.payload, vkey);
      return verified.ok ? [verified.value.checkpoint] : [];
    })[0];
    if (note === undefined) {
      refused += 1;
      continue;
    }
    add(note.origin, { size: note.size, root: note.root });
    if (kind === 'receipt') receipts.push(message);
    else checkpoints.set(note.origin, note.size);
  }
  for (const { old, successor, envelope } of chain.statements) {
    // What this disk said itself, knowingly, of a log that it had lost in part contradicts it not.
    if (successor.last !== undefined && !own.has(formatEnvelope(envelope))) add(old, successor.last);
  }
  const { statements, unproved } = chain;
  const { record } = enrolment;
  return { heads, checkpoints, links: statements, statements, unproved, vkeys, record, receipts, refused };
}

/** Envelopes as texts, for keeping: one a line. */
export function spellEnvelopes(envelopes: readonly Envelope[]): string {
  return envelopes.map((envelope) => `${formatEnvelope(envelope)}\n`).join('');
}

export function parseEnvelopes(text: string): readonly Envelope[] {
  return text.split('\n').flatMap((line) => {
    const envelope = line === '' ? undefined : parseEnvelopeText(line);
    return envelope?.ok ? [envelope.value] : [];
  });
}

function readEnrolment(retained: readonly RetainedMessage[]): {
  readonly record: Envelope | undefined;
  readonly successors: readonly Envelope[];
  readonly refused: number;
} {
  const message = retained.find(({ name, payload }) => name === 'enrolment' && payload.length > 0);
  if (message === undefined) return { record: undefined, successors: [], refused: 0 };
  const parsed = parseEnrolment(message.payload);
  if (!parsed.ok) return { record: undefined, successors: [], refused: 1 };
  return { record: parsed.value.record, successors: parsed.value.successors, refused: 0 };
}

function firstVerified(
  crypto: EvidenceCrypto,
  envelope: Envelope,
  vkeys: ReadonlyMap<string, Vkey>,
  ak: Uint8Array | undefined,
): Statement | undefined {
  // Not believed yet: it only chooses the key with which to ask.
  const claim = parseSuccessor(envelope);
  const vkey = claim.ok ? vkeys.get(claim.value.old) : undefined;
  const byLog = (): Result<Successor> | undefined => vkey && verifySuccessor(crypto, envelope, vkey);
  const isByAk = ak !== undefined && isAttestedStatement(envelope);
  const verified = isByAk ? verifyAttestedSuccessor(crypto, envelope, ak) : byLog();
  if (verified === undefined || !verified.ok) return undefined;
  const successor = verified.value;
  return { old: successor.old, next: successor.successor.name, successor, envelope };
}

function withoutTwins(envelopes: readonly Envelope[]): readonly Envelope[] {
  return [...new Map(envelopes.map((envelope) => [formatEnvelope(envelope), envelope])).values()];
}

function namesOf(vkeys: ReadonlyMap<string, Vkey>): ReadonlyMap<string, readonly Vkey[]> {
  const names = new Map<string, Vkey[]>();
  for (const [origin, vkey] of vkeys) {
    const parsed = parseOrigin(origin);
    if (!parsed.ok) continue;
    const name = logName(parsed.value);
    names.set(name, [...(names.get(name) ?? []), vkey]);
  }
  return names;
}
