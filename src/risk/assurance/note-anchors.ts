/**
 * Anchors that stand on stored notes and in no stored entry: the gateway adds the line to its note first, and the entry that
 * says so may be behind a gap, or come later. A bundle shows such a note, so its anchor counts here as it does there.
 */
import { sql } from 'kysely';
import { verifyAnchors } from '../../evidence/anchor/anchor.ts';
import type { SeenAnchor } from '../../evidence/anchor/history.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { parseCheckpoint } from '../../evidence/log/checkpoint.ts';
import { parseNote } from '../../evidence/log/note.ts';
import { anchorTrustOf } from '../../evidence/verify/anchors.ts';
import type { BelievedLog } from '../../evidence/verify/trust.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Stretch } from './levels.ts';

export interface NotesParts {
  readonly database: RiskDatabase;
  readonly crypto: EvidenceCrypto;
}

/** A note with the log's own line alone is no longer than this and twice its origin. */
const ONE_LINE_BYTES_MAX = 200;
/** Of one search: the notes that would raise a level most. */
const CANDIDATES = 8;

/** Above the newest anchor that entries of the stretch show, and up to its cosignature above the newest below that. */
export async function noteAnchors(
  parts: NotesParts,
  believed: BelievedLog | undefined,
  stretches: readonly Stretch[],
  known: readonly number[],
): Promise<readonly SeenAnchor[]> {
  const trust = believed && anchorTrustOf(parts.crypto, believed);
  if (believed === undefined || trust === undefined) return [];
  const found: SeenAnchor[] = [];
  for (const { first, end, cosigned } of stretches) {
    for (const most of new Set([end, Math.min(end, cosigned)])) {
      const above = Math.max(first, ...known.filter((size) => size <= most));
      for (const note of above < most ? await longNotes(parts, believed.vkey.name, above, most) : []) {
        const checkpoint = parseCheckpoint(note.text);
        const anchors = verifyAnchors(parts.crypto, note, trust);
        if (!checkpoint.ok || !anchors.ok || anchors.value.length === 0) continue;
        const { origin, size, root } = checkpoint.value;
        found.push(...anchors.value.map((one) => ({ ...one, origin, size, root, places: [], tree: 'same' as const })));
        break;
      }
    }
  }
  return found;
}

/** The newest first. */
async function longNotes({ database }: NotesParts, origin: string, above: number, most: number) {
  const rows = await database.as('custody', (trx) =>
    trx
      .selectFrom('custody.range')
      .select('note')
      .where('origin', '=', origin)
      .where('end_size', '>', above)
      .where('end_size', '<=', most)
      .where(sql<boolean>`octet_length(note) > ${ONE_LINE_BYTES_MAX} + 2 * octet_length(origin)`)
      .orderBy('end_size', 'desc')
      .limit(CANDIDATES)
      .execute(),
  );
  return rows.flatMap(({ note }) => {
    const parsed = parseNote(Uint8Array.from(note ?? []));
    return parsed.ok ? [parsed.value] : [];
  });
}
