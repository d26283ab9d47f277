/**
 * What the service keeps: a history of each gateway, claims on keys, one-time tokens. Several processes share it (the
 * service, and the commands of an operator), so nothing is changed in place: a history grows by whole events.
 */
export interface TokenRow {
  /** SHA-256 of the token, hex: the token itself is kept nowhere. */
  readonly hash: string;
  readonly gateway: string;
  readonly expiresMs: number;
}

/** `ek`, `ak`, `key` (a log's): hardware or a key that belongs to one gateway. */
export type ClaimKind = 'ek' | 'ak' | 'key';

/** Of one gateway. */
export const EVENTS_MAX = 10_000;

export interface EnrolmentStore {
  /** Gateways that have a history, in order of their names. */
  gateways(): Promise<readonly string[]>;

  /** The texts of a gateway's events from the first on; empty when there is none. */
  read(gateway: string): Promise<readonly string[]>;

  /**
   * Makes `text` the event number `at` (from 0), durably, whole or not at all. `conflict` when that number is taken: read
   * again and decide anew. Never leaves a gap: `at` is the number of events that were read.
   */
  append(gateway: string, at: number, text: string): Promise<'stored' | 'conflict'>;

  /** Gives a key to the gateway unless another has it; the one that has it, durably. A claim is never given back. */
  claim(kind: ClaimKind, id: string, gateway: string): Promise<string>;

  /** All durable when it resolves. */
  addTokens(tokens: readonly TokenRow[]): Promise<void>;

  token(hash: string): Promise<TokenRow | undefined>;
}
