/**
 * Cosignatures of independent witnesses that stand in a bundle: of each witness the smallest that covers what the anchor
 * does, since it has the earliest time; without one, the newest, which may cover an earlier anchor of some of the entries. Each is verified once more: a line of a
 * named witness that fails would refute the whole bundle.
 */
import { sql, type Transaction } from 'kysely';
import { utf8, utf8Text } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { verifyCosignature } from '../../evidence/log/cosignature.ts';
import {
  formatNote,
  formatSignatureLine,
  NOTE_BYTES_MAX,
  NOTE_SIGNATURES_MAX,
  type Note,
  type NoteSignature,
  parseNote,
  parseVkey,
} from '../../evidence/log/note.ts';
import type { BundleSource } from '../../evidence/verify/bundle-source.ts';
import type { Database } from '../store/schema.ts';

type Noted = BundleSource['checkpoints'][number];

/** The entries that are asked about, and the tree whose anchor covers them. */
export interface Above {
  readonly first: number;
  readonly last: number;
  /** Where the stretch ends: nothing behind it is in its tree. */
  readonly end: number;
  readonly covered: number;
}

interface CosignedRow {
  readonly vkey: string;
  readonly size: number;
  readonly signature: Uint8Array;
  readonly note: Uint8Array;
}

/** Witnesses whose lines are in one bundle: the newest of those that were ever asked. */
const WITNESSES_MAX = 8;

/** The checkpoints with those lines on them, ascending; others are added where a witness cosigned another size. */
export async function withCosignatures(
  trx: Transaction<Database>,
  crypto: EvidenceCrypto,
  origin: string,
  checkpoints: readonly Noted[],
  above: Above,
): Promise<{ readonly checkpoints: readonly Noted[]; readonly sizes: readonly number[] }> {
  const noted = new Map(checkpoints.map(({ size, note }) => [size, note]));
  const sizes = new Set<number>();
  for (const row of await cosignedRows(trx, origin, above)) {
    const base = parseNote(noted.has(row.size) ? utf8(noted.get(row.size) ?? '') : Uint8Array.from(row.note));
    const line = base.ok ? lineOf(crypto, base.value, row) : undefined;
    const note = base.ok && line !== undefined ? noteWith(base.value, line) : undefined;
    if (note === undefined) continue;
    noted.set(row.size, note);
    sizes.add(row.size);
  }
  const ascending = [...noted].map(([size, note]) => ({ size, note })).sort((a, b) => a.size - b.size);
  return { checkpoints: ascending, sizes: [...sizes] };
}

async function cosignedRows(
  trx: Transaction<Database>,
  origin: string,
  { first, end, covered }: Above,
): Promise<readonly CosignedRow[]> {
  const { rows } = await sql<CosignedRow>`
    select w.vkey, c.size, c.signature, r.note from custody.witness w
      cross join lateral (select size, signature from (
          (select 0 as choice, size, signature from custody.cosignature
            where origin = ${origin} and witness = w.id and size >= ${covered} and size <= ${end} order by size limit 1)
          union all
          (select 1, size, signature from custody.cosignature
            where origin = ${origin} and witness = w.id and size > ${first} and size <= ${end} order by size desc limit 1)) e
        order by choice limit 1) c
      join custody.range r on r.origin = ${origin} and r.end_size = c.size and r.note is not null
      order by w.id desc limit ${WITNESSES_MAX}`.execute(trx);
  return rows;
}

/** Undefined when it does not verify over this very checkpoint. */
function lineOf(
  crypto: EvidenceCrypto,
  { text }: Note,
  { vkey: vkeyText, signature }: CosignedRow,
): NoteSignature | undefined {
  const vkey = parseVkey(vkeyText);
  if (!vkey.ok) return undefined;
  const { name, keyId } = vkey.value;
  const line = { name, keyId, signature: Uint8Array.from(signature) };
  return verifyCosignature(crypto, { text, signatures: [line] }, vkey.value).ok ? line : undefined;
}

/** Undefined when the note has no room: a log may fill its own with lines of its name. */
function noteWith(note: Note, line: NoteSignature): string | undefined {
  if (note.signatures.length >= NOTE_SIGNATURES_MAX) return undefined;
  const bytes = formatNote(note);
  if (bytes.length + utf8(`${formatSignatureLine(line)}\n`).length > NOTE_BYTES_MAX) return undefined;
  return utf8Text(formatNote({ text: note.text, signatures: [...note.signatures, line] }));
}
