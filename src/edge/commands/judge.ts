/**
 * Whether a message is a command that is to be carried out now, in the order of FORMAT.md section 11. Pure: keys, place,
 * time and the ids that were seen are inputs.
 */

import { timeOf } from '../../base/wall-time.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { COMMAND_TYPE, type Command, checkCommandSignature, parseCommand } from '../../evidence/wire/command.ts';
import { parseEnvelope } from '../../evidence/wire/envelope.ts';
import type { Verbs } from '../contracts/verb.ts';
import type { GrantedKey } from './settings.ts';

/** A command that ends later could be kept for later: and its id must be kept as long. */
export const LIFE_MAX_MS = 3_600_000;

export interface Here {
  readonly gateway: string;
  /** Origin of the open log; undefined between two. */
  readonly log: string | undefined;
  readonly start: string;
  readonly upMs: number;
  /** Absent unless the clock can be trusted. */
  readonly wallMs?: number;
}

/** Nobody whom we know signed it: no answer, and no entry of its own. */
export type StrangeReason = 'form' | 'unknown_key' | 'signature';

/** Of a granted key. */
export type RefusedReason =
  | 'form'
  | 'unknown_version'
  | 'gateway'
  | 'start'
  | 'log'
  | 'repeated'
  | 'expired'
  | 'too_far'
  | 'verb'
  | 'args';

export type Judgement =
  | { readonly kind: 'strange'; readonly reason: StrangeReason }
  /** Signed, and its payload says nothing that could be answered. */
  | { readonly kind: 'unreadable'; readonly key: string; readonly reason: 'form' | 'unknown_version' }
  | {
      readonly kind: 'refused';
      readonly key: string;
      readonly command: Command;
      readonly payload: Uint8Array;
      readonly reason: RefusedReason;
    }
  | { readonly kind: 'accepted'; readonly key: string; readonly command: Command; readonly payload: Uint8Array };

export interface JudgeParts {
  readonly crypto: EvidenceCrypto;
  readonly keys: ReadonlyMap<string, GrantedKey>;
  readonly verbs: Verbs;
  readonly isUsed: (id: string) => boolean;
}

export function judgeCommand(message: Uint8Array, here: Here, parts: JudgeParts): Judgement {
  const envelope = parseEnvelope(message);
  if (!envelope.ok || envelope.value.payloadType !== COMMAND_TYPE) return { kind: 'strange', reason: 'form' };
  const [signature, ...more] = envelope.value.signatures;
  if (signature === undefined || more.length > 0) return { kind: 'strange', reason: 'form' };
  const key = signature.keyid;
  const granted = parts.keys.get(key);
  if (granted === undefined) return { kind: 'strange', reason: 'unknown_key' };
  const signed = checkCommandSignature(parts.crypto, envelope.value, granted.vkey);
  if (!signed.ok) return { kind: 'strange', reason: 'signature' };
  const payload = signed.value;
  const parsed = parseCommand(payload);
  if (!parsed.ok) {
    return { kind: 'unreadable', key, reason: parsed.reason === 'unknown_version' ? 'unknown_version' : 'form' };
  }
  const command = parsed.value;
  const reason = reasonAgainst(command, here, granted, parts);
  if (reason !== undefined) return { kind: 'refused', key, command, payload, reason };
  return { kind: 'accepted', key, command, payload };
}

function reasonAgainst(
  command: Command,
  here: Here,
  granted: GrantedKey,
  { verbs, isUsed }: JudgeParts,
): RefusedReason | undefined {
  if (command.gateway !== here.gateway) return 'gateway';
  if (command.start !== here.start) return 'start';
  if (command.log !== here.log) return 'log';
  if (isUsed(command.id)) return 'repeated';
  if (command.until_up_ms < here.upMs || isAfter(command.not_after, here.wallMs)) return 'expired';
  if (command.until_up_ms > here.upMs + LIFE_MAX_MS) return 'too_far';
  const verb = Object.hasOwn(verbs, command.verb) ? verbs[command.verb] : undefined;
  if (!granted.verbs.has(command.verb) || verb === undefined) return 'verb';
  return verb.check(command.args).ok ? undefined : 'args';
}

function isAfter(notAfter: string | undefined, wallMs: number | undefined): boolean {
  if (notAfter === undefined || wallMs === undefined) return false;
  return wallMs > timeOf(notAfter);
}
