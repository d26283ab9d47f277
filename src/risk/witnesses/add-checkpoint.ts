/**
 * The `add-checkpoint` call of C2SP tlog-witness, without its transport: the bytes that are sent, what an answer says, and
 * which of its lines is a cosignature to be kept (C2SP tlog-cosignature).
 */
import { assert } from '../../base/assert.ts';
import { base64, concatBytes, utf8, utf8Text } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { verifyCosignature } from '../../evidence/log/cosignature.ts';
import { type NoteSignature, parseSignatureLine, signaturesOf, type Vkey } from '../../evidence/log/note.ts';

/** "The client MUST NOT send more than 63 consistency proof lines." */
export const PROOF_LINES_MAX = 63;
/** Lines of several keys, some of them longer than an Ed25519 one's; whatever is longer is no answer. */
export const ANSWER_BYTES_MAX = 16_384;
const LINES_MAX = 64;
const SIZE_TYPE = 'text/x.tlog.size';
/** A witness's clock may be ahead of ours by so much. */
export const FUTURE_MAX_S = 300;

export interface Offer {
  /** Size of the newest checkpoint that the witness cosigned of this log; 0 when there is none. */
  readonly oldSize: number;
  /** From there to the checkpoint (RFC 6962 section 2.1.2). */
  readonly proof: readonly Uint8Array[];
  /** The checkpoint as the log signed it. */
  readonly note: Uint8Array;
}

/** The body of the POST. */
export function addCheckpointBody({ oldSize, proof, note }: Offer): Uint8Array {
  assert(proof.length <= PROOF_LINES_MAX, `a consistency proof of ${proof.length} hashes`);
  const lines = proof.map((hash) => `${base64(hash)}\n`);
  return concatBytes(utf8(`old ${oldSize}\n${lines.join('')}\n`), note);
}

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
  readonly retryAfterMs?: number;
}

/** Words of answers that are no cosignature: those of the specification, and those of a server that has no time. */
export type Refusal = 'invalid' | 'forbidden' | 'unknown_log' | 'contradicted' | 'busy' | 'redirect' | 'failed';

export type WitnessAnswer =
  | { readonly kind: 'lines'; readonly body: Uint8Array }
  /** Its newest size is another than `old`; undefined where it did not say which. */
  | { readonly kind: 'conflict'; readonly size: number | undefined }
  | { readonly kind: 'refused'; readonly why: Refusal; readonly retryAfterMs?: number };

const REFUSALS: Readonly<Record<number, Refusal>> = {
  400: 'invalid',
  403: 'forbidden',
  404: 'unknown_log',
  422: 'contradicted',
  429: 'busy',
  503: 'busy',
};

export function readAnswer({ status, contentType, body, retryAfterMs }: HttpAnswer): WitnessAnswer {
  if (status === 200) return { kind: 'lines', body };
  if (status === 409) return { kind: 'conflict', size: sizeIn(contentType, body) };
  const why = REFUSALS[status] ?? (status >= 300 && status < 400 ? 'redirect' : 'failed');
  return { kind: 'refused', why, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** "The tree size of the latest cosigned checkpoint in decimal, followed by a newline." */
function sizeIn(contentType: string | undefined, body: Uint8Array): number | undefined {
  if (contentType?.split(';')[0]?.trim().toLowerCase() !== SIZE_TYPE || body.length > 17) return undefined;
  const found = /^(0|[1-9][0-9]{0,15})\n$/.exec(utf8Text(body) ?? '');
  const size = Number(found?.[1] ?? Number.NaN);
  return Number.isSafeInteger(size) ? size : undefined;
}

export interface FoundCosignature {
  /** Timestamp and signature, as they follow the key id. */
  readonly signature: Uint8Array;
  readonly timestampS: number;
}

export type LinesRefusal = 'lines' | 'unsigned' | 'signature' | 'time';

/**
 * The cosignature of this witness among the lines. Lines of other keys are ignored, as the specification asks; each one of
 * its own must verify over this very text. `nowS`: our clock; `afterS`: its newest time for a smaller size of the log, which
 * a larger one cannot precede.
 */
export function cosignatureIn(
  crypto: EvidenceCrypto,
  vkey: Vkey,
  checkpointText: string,
  body: Uint8Array,
  { nowS, afterS = 0 }: { readonly nowS: number; readonly afterS?: number | undefined },
): Result<FoundCosignature, LinesRefusal> {
  const signatures = linesIn(body);
  if (signatures === undefined) return refuse('lines', 'expected signature lines, each with a newline at its end');
  const note = { text: checkpointText, signatures };
  const verified = verifyCosignature(crypto, note, vkey);
  if (!verified.ok) return verified;
  const { timestampS } = verified.value;
  if (timestampS > nowS + FUTURE_MAX_S) {
    return refuse('time', `its time is ${timestampS - nowS} s ahead of ours: expected at most ${FUTURE_MAX_S}`);
  }
  if (timestampS + FUTURE_MAX_S < afterS) {
    return refuse('time', `its time is ${afterS - timestampS} s before that of a smaller size of this log`);
  }
  const line = signaturesOf(note, vkey).find((each) => timestampOf(each) === timestampS);
  assert(line !== undefined, 'the newest of its lines is one of them');
  return accept({ signature: line.signature, timestampS });
}

function linesIn(body: Uint8Array): readonly NoteSignature[] | undefined {
  const text = body.length > ANSWER_BYTES_MAX ? undefined : utf8Text(body);
  if (text === undefined || !text.endsWith('\n')) return undefined;
  const lines = text.slice(0, -1).split('\n');
  if (lines.length > LINES_MAX) return undefined;
  const signatures = lines.map(parseSignatureLine);
  return signatures.every((line) => line !== undefined) ? signatures : undefined;
}

/** Of a line that verified. */
function timestampOf({ signature }: NoteSignature): number {
  return Number(new DataView(signature.buffer, signature.byteOffset).getBigUint64(0));
}
