/**
 * What a signed command may ask for. Each room brings the verbs that it can do; the gateway puts them together.
 *
 * A verb is run at most once for a command id, and only after `command.received` is durable: what it does needs no
 * protection of its own against being repeated.
 */
import type { Result } from '../../base/result.ts';
import type { Actor, JsonObject } from '../../evidence/event/event.ts';

export interface VerbCall {
  /** 16 bytes: the command's own. */
  readonly id: Uint8Array;
  /** As `check` took them. */
  readonly args: JsonObject;
  /** Who asked the service for it, in the service's words. */
  readonly actor: Actor;
  /** Nothing is to begin after this time. */
  readonly untilUpMs: number;
}

export interface VerbAnswer {
  readonly outcome: 'executed' | 'refused';
  /** A stable word `[a-z][a-z_]{0,39}`: the result, or the reason of the refusal. */
  readonly result: string;
  /** A further stable word. */
  readonly reason?: string;
  readonly tookMs?: number;
  /** Compartment that the entry is about. */
  readonly compartment?: string;
  /** What the service is told beside that, at most 4 KiB of canonical JSON: it stands in the reply and in no entry. */
  readonly data?: JsonObject;
}

export interface Verb {
  /** Whether the arguments are those of this verb, before anything is recorded. The detail names no value. */
  check(args: JsonObject): Result<JsonObject, 'args'>;
  /** Does it. Rejects only with a LatchkeyError, which is answered as refused `failed`. */
  run(call: VerbCall, signal: AbortSignal): Promise<VerbAnswer>;
}

/** By the verb's name on the wire. */
export type Verbs = Readonly<Record<string, Verb>>;
