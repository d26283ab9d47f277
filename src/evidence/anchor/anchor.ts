/**
 * The anchor: a TPM's word about a checkpoint (FORMAT.md section 5). An NV_Certify of the gateway's counter by its AK,
 * with the checkpoint text's digest as extraData, as a line of the note: C2SP signed-note, type 0xFF and an identifier.
 *
 * One signature binds the checkpoint, the counter's value, and the TPM's clock and reset counts.
 */
import { assert } from '../../base/assert.ts';
import { concatBytes, equalBytes, utf8 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { type EvidenceCrypto, P256_SIGNATURE_BYTES } from '../crypto.ts';
import { KEY_ID_BYTES, type Note, type NoteSignature } from '../log/note.ts';
import type { AttestationKey } from './attestation-key.ts';
import { ANCHOR_REASONS, type AnchorLineRefusal, type AnchorRefusal } from './reasons.ts';
import { checkAttestSignature, parseOwnAttest, type SignedAttest } from './signed-attest.ts';

export const ANCHOR_IDENTIFIER = 'latchkey/tpm2-nv-certify/v1';
const PRIVATE_TYPE = 0xff;
const COUNTER_BYTES = 8;

/** Whose anchors count. */
export interface AnchorTrust {
  readonly ak: AttestationKey;
  /** Name of the counter in its written form, 34 bytes. */
  readonly counter: Uint8Array;
}

/** What a verified anchor says, beside the checkpoint that it is on. */
export interface Anchor {
  /** Value of the counter. */
  readonly counter: number;
  /** Milliseconds that the TPM was powered, as far as it knows; the owner can push it forward. */
  readonly clock: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
  readonly safe: boolean;
  readonly firmwareVersion: bigint;
}

/** First 4 bytes of SHA-256(origin || 0x0A || 0xFF || identifier || SubjectPublicKeyInfo). */
export function anchorKeyId(crypto: EvidenceCrypto, origin: string, spki: Uint8Array): Uint8Array {
  const type = concatBytes(Uint8Array.of(0x0a, PRIVATE_TYPE), utf8(ANCHOR_IDENTIFIER));
  return crypto.sha256(concatBytes(utf8(origin), type, spki)).slice(0, KEY_ID_BYTES);
}

/** `qualifyingData` of the NV_Certify. */
export function anchorExtraData(crypto: EvidenceCrypto, checkpointText: string): Uint8Array {
  return crypto.sha256(utf8(`${ANCHOR_IDENTIFIER}\n${checkpointText}`));
}

/** The line for the note of `origin`: key id || size of the attestation in 2 bytes || attestation || r || s. */
export function anchorLine(
  crypto: EvidenceCrypto,
  origin: string,
  spki: Uint8Array,
  { attest, signature }: SignedAttest,
): NoteSignature {
  assert(signature.length === P256_SIGNATURE_BYTES, `a signature of ${signature.length} bytes`);
  assert(attest.length < 1_024, `an attestation of ${attest.length} bytes`);
  const size = Uint8Array.of(attest.length >> 8, attest.length & 0xff);
  const keyId = anchorKeyId(crypto, origin, spki);
  return { name: origin, keyId, signature: concatBytes(size, attest, signature) };
}

/** The parts of a line, nothing believed. */
export function splitAnchor(signature: Uint8Array): SignedAttest | undefined {
  const [high = 0, low = 0] = signature;
  const end = 2 + high * 256 + low;
  if (signature.length !== end + P256_SIGNATURE_BYTES) return undefined;
  return { attest: signature.subarray(2, end), signature: signature.subarray(end) };
}

/** Whether one line is an anchor of this AK and counter on the checkpoint text of the log `origin`, to its last field. */
export function verifyAnchorLine(
  crypto: EvidenceCrypto,
  checkpointText: string,
  line: NoteSignature,
  trust: AnchorTrust,
): Result<Anchor, AnchorRefusal> {
  const origin = checkpointText.slice(0, checkpointText.indexOf('\n'));
  if (line.name !== origin || !equalBytes(line.keyId, anchorKeyId(crypto, origin, trust.ak.spki))) {
    return refuse('key', ANCHOR_REASONS.key);
  }
  return verifySignature(crypto, checkpointText, line.signature, trust);
}

function verifySignature(
  crypto: EvidenceCrypto,
  checkpointText: string,
  signature: Uint8Array,
  trust: AnchorTrust,
): Result<Anchor, AnchorLineRefusal> {
  const parts = splitAnchor(signature);
  if (parts === undefined) return refuse('length', ANCHOR_REASONS.length);
  const parsed = parseOwnAttest(parts.attest, trust.ak, ['nv']);
  if (!parsed.ok) return parsed;
  const { body, extraData, clockInfo, firmwareVersion } = parsed.value;
  assert(body.kind === 'nv', 'the kind that was asked for');
  if (!equalBytes(body.indexName, trust.counter)) return refuse('counter', ANCHOR_REASONS.counter);
  if (body.offset !== 0) return refuse('offset', `expected offset 0, found ${body.offset}`);
  const counter = counterValue(body.contents);
  if (counter === undefined) return refuse('value', ANCHOR_REASONS.value);
  if (!equalBytes(extraData, anchorExtraData(crypto, checkpointText))) {
    return refuse('checkpoint', ANCHOR_REASONS.checkpoint);
  }
  const signed = checkAttestSignature(crypto, parts, trust.ak);
  if (!signed.ok) return signed;
  const { clock, resetCount, restartCount, safe } = clockInfo;
  return accept({ counter, clock, resetCount, restartCount, safe, firmwareVersion });
}

/**
 * The anchors on a note: every line with this log's name and this AK's key id must verify, or the note is refused (C2SP
 * signed-note). Lines of other keys are passed over; an empty answer is a note without an anchor.
 */
export function verifyAnchors(
  crypto: EvidenceCrypto,
  note: Note,
  trust: AnchorTrust,
): Result<readonly Anchor[], AnchorLineRefusal> {
  if (note.signatures.length < 2) return accept([]);
  const origin = note.text.slice(0, note.text.indexOf('\n'));
  const keyId = anchorKeyId(crypto, origin, trust.ak.spki);
  const anchors: Anchor[] = [];
  for (const line of note.signatures) {
    if (line.name !== origin || !equalBytes(line.keyId, keyId)) continue;
    const anchor = verifySignature(crypto, note.text, line.signature, trust);
    if (!anchor.ok) return anchor;
    anchors.push(anchor.value);
  }
  return accept(anchors);
}

function counterValue(contents: Uint8Array): number | undefined {
  if (contents.length !== COUNTER_BYTES) return undefined;
  const value = new DataView(contents.buffer, contents.byteOffset).getBigUint64(0);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}
