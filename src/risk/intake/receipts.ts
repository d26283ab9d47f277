/** Receipts: the log's own note with our cosignature (FORMAT.md section 6). */
import { present } from '../../base/assert.ts';
import { equalBytes, utf8 } from '../../base/bytes.ts';
import {
  formatNote,
  formatSignatureLine,
  NOTE_BYTES_MAX,
  NOTE_SIGNATURES_MAX,
  type Note,
  type NoteSignature,
  parseNote,
} from '../../evidence/log/note.ts';
import type { WitnessKey } from './witness-key.ts';

/** What our cosignature states, by the role that the operator gave this receiver. */
export const STATEMENTS = {
  store: 'every entry below this size is durably stored',
  advisory: 'every entry below this size was received and verified',
  off: 'nothing: no receipt is given',
} as const;

export type WitnessRole = keyof typeof STATEMENTS;

/** Room on a note for the lines of witnesses, ours among them: a log may fill its own with lines of its name. */
const WITNESSES_BYTES = 4_096;

/**
 * The lines of the log itself (key name = origin): its signature first, then its anchors. Lines of strangers are not passed
 * on, nor what would leave no room for those of witnesses.
 */
export function ownNote({ name, keyId }: Pick<NoteSignature, 'name' | 'keyId'>, note: Note): Note {
  const own = note.signatures.filter((line) => line.name === name);
  const signed = own.filter((line) => equalBytes(line.keyId, keyId));
  const signatures: NoteSignature[] = [];
  let room = NOTE_BYTES_MAX - WITNESSES_BYTES - utf8(note.text).length;
  for (const line of [...signed, ...own.filter((each) => !signed.includes(each))]) {
    room -= utf8(formatSignatureLine(line)).length + 1;
    if (room < 0 || signatures.length >= NOTE_SIGNATURES_MAX - 1) break;
    signatures.push(line);
  }
  return { text: note.text, signatures };
}

/** `note` is an `ownNote` as bytes, stored when its log was verified; an earlier version may have left less room on it. */
export function makeReceipt(key: WitnessKey, note: Uint8Array, timestampS: number): Uint8Array {
  const parsed = parseNote(note);
  const stored = present(parsed.ok ? parsed.value : undefined, 'a stored note');
  const { text, signatures } = ownNote(present(stored.signatures[0], 'its first line'), stored);
  return formatNote({ text, signatures: [...signatures, key.cosign(text, timestampS)] });
}
