/**
 * Why a signature line is no anchor, or an attestation not the one that was asked for: the one table. Names are stable;
 * a verdict puts `anchor_` before them.
 */
export const ANCHOR_REASONS = {
  key: "not a line of this log's origin and this AK's key id",
  length: 'the bytes are not a sized attestation and 64 bytes of signature',
  magic: 'the attestation does not begin with ff544347: no TPM made it',
  type: 'an attestation of another type',
  structure: 'the attestation is not to its last byte what its type says',
  signer: "qualifiedSigner is another key than the policy's AK in the endorsement hierarchy",
  counter: "indexName is another NV index than the policy's counter, or the counter before its first write",
  offset: 'the counter is not certified from its first byte',
  value: 'the certified contents are not 8 bytes with a value up to 2^53 - 1',
  checkpoint: 'extraData is of another checkpoint text',
  statement: 'extraData is of another statement',
  range: 'r or s is 0, or not below the group order',
  signature: 'the ECDSA signature over the attestation does not verify',
} as const satisfies Record<string, string>;

export type AnchorReason = keyof typeof ANCHOR_REASONS;
/** Of an anchor line. */
export type AnchorRefusal = Exclude<AnchorReason, 'statement'>;
/** Of a line that was found by its key id. */
export type AnchorLineRefusal = Exclude<AnchorRefusal, 'key'>;
/** Of a Quote or GetTime over a statement. */
export type StatementRefusal = Exclude<AnchorReason, 'key' | 'length' | 'counter' | 'offset' | 'value' | 'checkpoint'>;
