/**
 * The log key, wherever it lives. A commit needs no key: while it is away, entries are stored and wait unsigned.
 */

/** The closed list of DSSE payload types that a log key may sign. */
export type LogPayloadType =
  | 'application/vnd.latchkey.batch.v1+ndjson'
  | 'application/vnd.latchkey.successor.v1+json'
  | 'application/vnd.latchkey.reply.v1+json'
  /** Possession of the key, in the exchange with the enrolment service. */
  | 'application/vnd.latchkey.enrol.v1+json';

export interface Signer {
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** C2SP key name, which is the log's origin. */
  readonly origin: string;
  /** False while the key store does not give the key: what is signed rejects with KEY_LOCKED then. */
  readonly isReady?: boolean;

  /**
   * Signs a checkpoint text (it begins with the origin; anything else is an assertion): 64 bytes, RFC 8032.
   *
   * Rejects with KEY_LOCKED while the key store refuses (retry later) and with KEY_LOST when the key is gone (do not
   * retry: the log must be closed and a new one opened).
   */
  signCheckpoint(text: string): Promise<Uint8Array>;

  /** Signs the DSSE PAE of `payload` under a type of the closed list. Rejects like `signCheckpoint`. */
  signEnvelope(type: LogPayloadType, payload: Uint8Array): Promise<Uint8Array>;
}

/** A reply (FORMAT.md section 11) under the key of the log that is open now. */
export interface SignedReply {
  readonly payload: Uint8Array;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Signs what `make` gives for that log. Rejects with KEY_LOCKED or KEY_LOST while there is no key, and with JOURNAL_IO
 * between two logs: try again later.
 */
export type ReplySigner = (make: (log: string) => Uint8Array) => Promise<SignedReply>;

export interface KeyOptions {
  /**
   * For a log that must begin now: a key store that is silent is not waited for longer than a moment. The signer then is
   * not ready, and becomes so by itself. A key that never got so far is lost with this process, and has signed nothing.
   */
  readonly late?: boolean;
}

/** Keeps one key per log. */
export interface KeyStore {
  readonly kind: 'software' | 'tpm';

  /**
   * Makes a key for log `number` of `<domain>/<gateway>`; the origin's tag comes from the public key. The key is
   * durable before this resolves, unless it is late.
   */
  create(operatorDomain: string, gatewayId: string, number: number, options?: KeyOptions): Promise<Signer>;

  /** The signer of an existing log. Rejects with KEY_LOST, KEY_PERMISSIONS or KEY_LOCKED. */
  open(origin: string, options?: KeyOptions): Promise<Signer>;

  /** Of a key that is lost: taken by a clear of the TPM. */
  isCleared?(origin: string): boolean;

  /** Origins of the keys that are here, in no order. */
  list(): Promise<readonly string[]>;

  /** Destroys the key of a fully receipted log. Destroying a key that is gone is done. */
  destroy(origin: string): Promise<void>;
}
