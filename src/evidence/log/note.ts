/**
 * Signed notes and verifier keys: C2SP signed-note. A note is a text, a blank line, and signature lines
 * `— <name> <base64(key id || signature)>`.
 */
import { assert } from '../../base/assert.ts';
import { base64, concatBytes, equalBytes, hex, unbase64, unhex, utf8, utf8Text } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import { type Checkpoint, formatCheckpoint, parseCheckpoint } from './checkpoint.ts';
import { isKeyName } from './key-name.ts';

export const NOTE_BYTES_MAX = 16_384;
export const NOTE_SIGNATURES_MAX = 16;
export const SIGNATURE_BYTES = 64;
export const KEY_ID_BYTES = 4;
const PUBLIC_KEY_BYTES = 32;

export interface NoteSignature {
  readonly name: string;
  readonly keyId: Uint8Array;
  /** What follows the key id. */
  readonly signature: Uint8Array;
}

export interface Note {
  /** With its final newline, without the blank line: the bytes that are signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** One spelling per note: UTF-8, no control character but newline, canonical base64. At most 16 signatures, 16 KiB. */
export function parseNote(bytes: Uint8Array): Result<Note, 'note'> {
  if (bytes.length > NOTE_BYTES_MAX) return refuse('note', `expected at most ${NOTE_BYTES_MAX} bytes`);
  const whole = utf8Text(bytes);
  if (whole === undefined) return refuse('note', 'the note is not UTF-8');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u0009\u000b-\u001f]/.test(whole)) return refuse('note', 'the note holds a control character');
  const cut = whole.lastIndexOf('\n\n');
  if (cut < 1 || !whole.endsWith('\n')) return refuse('note', 'expected a text, a blank line and signature lines');
  const lines = whole.slice(cut + 2, -1).split('\n');
  if (lines.length > NOTE_SIGNATURES_MAX) return refuse('note', `expected at most ${NOTE_SIGNATURES_MAX} signatures`);
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const signature = parseSignatureLine(line);
    if (signature === undefined) return refuse('note', 'a signature line is not "— name base64"');
    signatures.push(signature);
  }
  return accept({ text: whole.slice(0, cut + 1), signatures });
}

/** One line of a note without its newline: `— <name> <base64(key id || signature)>`. */
export function parseSignatureLine(line: string): NoteSignature | undefined {
  if (!line.startsWith('\u2014 ')) return undefined;
  const space = line.indexOf(' ', 2);
  if (space < 0) return undefined;
  const name = line.slice(2, space);
  const bytes = unbase64(line.slice(space + 1));
  if (bytes === undefined || bytes.length <= KEY_ID_BYTES || !isKeyName(name)) return undefined;
  return { name, keyId: bytes.subarray(0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) };
}

export function formatSignatureLine(line: NoteSignature): string {
  return `\u2014 ${line.name} ${base64(concatBytes(line.keyId, line.signature))}`;
}

/** The bytes of a note. One that `parseNote` would refuse is an assertion. */
export function formatNote(note: Note): Uint8Array {
  assert(note.text.length > 1 && note.text.endsWith('\n'), 'a note text ends with a newline');
  assert(note.signatures.length > 0 && note.signatures.length <= NOTE_SIGNATURES_MAX, 'a note has 1 to 16 signatures');
  const lines = note.signatures.map((line) => `${formatSignatureLine(line)}\n`);
  const bytes = utf8(`${note.text}\n${lines.join('')}`);
  assert(bytes.length <= NOTE_BYTES_MAX, `a note of ${bytes.length} bytes`);
  return bytes;
}

/** A log's note with its one signature over `formatCheckpoint(checkpoint)`. */
export function signedNote(checkpoint: Checkpoint, vkey: Vkey, signature: Uint8Array): Note {
  assert(vkey.type === 1 && vkey.name === checkpoint.origin, 'a checkpoint is signed by its own log');
  assert(signature.length === SIGNATURE_BYTES, `a signature of ${signature.length} bytes`);
  return { text: formatCheckpoint(checkpoint), signatures: [{ name: vkey.name, keyId: vkey.keyId, signature }] };
}

export interface VerifiedNote {
  readonly checkpoint: Checkpoint;
  readonly note: Note;
}

export type NoteRefusal = 'note' | 'checkpoint' | 'origin' | 'unsigned' | 'signature';

/** A note whose text is a checkpoint of the log of `vkey`, signed by it. Other signature lines are not looked at. */
export function verifyLogNote(
  crypto: EvidenceCrypto,
  bytes: Uint8Array,
  vkey: Vkey,
): Result<VerifiedNote, NoteRefusal> {
  const note = parseNote(bytes);
  if (!note.ok) return note;
  const checkpoint = parseCheckpoint(note.value.text);
  if (!checkpoint.ok) return checkpoint;
  if (checkpoint.value.origin !== vkey.name) return refuse('origin', 'the checkpoint is of another log');
  const own = signaturesOf(note.value, vkey);
  if (own.length === 0 || vkey.type !== 1) return refuse('unsigned', 'no signature line of the log key');
  const text = utf8(note.value.text);
  // A known key's line that fails makes the whole note fail (C2SP signed-note, "Signatures").
  const sound = own.every((s) => crypto.verifyEd25519(vkey.publicKey, text, s.signature));
  if (!sound) return refuse('signature', "the log key's signature does not verify");
  return accept({ checkpoint: checkpoint.value, note: note.value });
}

/** The lines that name this key: by name and key id, never by one of them. */
export function signaturesOf(note: Note, vkey: Vkey): readonly NoteSignature[] {
  return note.signatures.filter((s) => s.name === vkey.name && equalBytes(s.keyId, vkey.keyId));
}

/** 1: Ed25519 over the note text (a log). 4: a timestamped Ed25519 cosignature (a witness). */
export type VkeyType = 1 | 4;

export interface Vkey {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly type: VkeyType;
  readonly publicKey: Uint8Array;
}

/** First 4 bytes of SHA-256(name || 0x0A || type || public key). */
export function keyIdOf(crypto: EvidenceCrypto, name: string, type: VkeyType, publicKey: Uint8Array): Uint8Array {
  const digest = crypto.sha256(concatBytes(utf8(name), Uint8Array.of(0x0a, type), publicKey));
  return new Uint8Array(digest.subarray(0, KEY_ID_BYTES));
}

/** `<name>+<8 hex>+<base64(type || key)>`. That the key id fits is asked with `isSoundVkey`, which needs a hash. */
export function parseVkey(text: string): Result<Vkey, 'vkey'> {
  // The base64 may hold a plus itself, so the cut is at the first two.
  const match = /^([^+]*)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/s.exec(text);
  if (match === null) return refuse('vkey', 'expected <name>+<8 hex digits>+<base64>, all in one line');
  const [, name = '', idText = '', keyText = ''] = match;
  const keyId = unhex(idText);
  const material = unbase64(keyText);
  if (!isKeyName(name) || keyId === undefined) return refuse('vkey', 'the name is empty or holds a space');
  const type = material?.[0];
  if (material?.length !== 1 + PUBLIC_KEY_BYTES || (type !== 1 && type !== 4)) {
    return refuse('vkey', 'expected base64 of type 1 or 4 and an Ed25519 key of 32 bytes');
  }
  return accept({ name, keyId, type, publicKey: material.subarray(1) });
}

export function formatVkey(vkey: Vkey): string {
  return `${vkey.name}+${hex(vkey.keyId)}+${base64(concatBytes(Uint8Array.of(vkey.type), vkey.publicKey))}`;
}

/** Whether the key id is the one that name, type and key give. A vkey from outside is asked before it is used. */
export function isSoundVkey(crypto: EvidenceCrypto, vkey: Vkey): boolean {
  return equalBytes(vkey.keyId, keyIdOf(crypto, vkey.name, vkey.type, vkey.publicKey));
}

/** A log's key: type 0x01, name = origin. */
export function logVkey(crypto: EvidenceCrypto, origin: string, publicKey: Uint8Array): Vkey {
  return makeVkey(crypto, origin, 1, publicKey);
}

/** A witness's key: type 0x04. */
export function witnessVkey(crypto: EvidenceCrypto, name: string, publicKey: Uint8Array): Vkey {
  return makeVkey(crypto, name, 4, publicKey);
}

function makeVkey(crypto: EvidenceCrypto, name: string, type: VkeyType, publicKey: Uint8Array): Vkey {
  assert(isKeyName(name), 'a key name is not empty and holds no space and no plus');
  assert(publicKey.length === PUBLIC_KEY_BYTES, `a public key of ${publicKey.length} bytes`);
  return { name, type, publicKey, keyId: keyIdOf(crypto, name, type, publicKey) };
}
