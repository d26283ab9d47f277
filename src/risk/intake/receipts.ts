/** Receipts: the log's own note with our cosignature (FORMAT.md section 6). */
import { present } from '../../base/assert.ts';
import { formatNote, NOTE_SIGNATURES_MAX, type Note, parseNote } from '../../evidence/log/note.ts';
import type { WitnessKey } from './witness-key.ts';

/** What our cosignature states, by the role that the operator gave this receiver. */
export const STATEMENTS = {
  store: 'every entry below this size is durably stored',
  advisory: 'every entry below this size was received and verified',
  off: 'nothing: no receipt is given',
} as const;

export type WitnessRole = keyof typeof STATEMENTS;

/** The lines of the log itself (key name = origin): its signature, its anchor. Lines of strangers are not passed on. */
export function ownNote(origin: string, note: Note): Note {
  const own = note.signatures.filter((line) => line.name === origin);
  return { text: note.text, signatures: own.slice(0, NOTE_SIGNATURES_MAX - 1) };
}

/** `note` is an `ownNote` as bytes, stored when its log was verified. */
export function makeReceipt(key: WitnessKey, note: Uint8Array, timestampS: number): Uint8Array {
  const parsed = parseNote(note);
  const { text, signatures } = present(parsed.ok ? parsed.value : undefined, 'a stored note');
  return formatNote({ text, signatures: [...signatures, key.cosign(text, timestampS)] });
}
