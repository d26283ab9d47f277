/**
 * Anchors that stand on stored notes and in no stored entry: the gateway adds the line to its note first, and the entry that
 * says so may be behind a gap, or come later. A bundle shows such a note, so its anchor counts here as it does there.
 */
import { verifyAnchors } from '../../evidence/anchor/anchor.ts';
import type { SeenAnchor } from '../../evidence/anchor/history.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { parseCheckpoint } from '../../evidence/log/checkpoint.ts';
import { parseNote } from '../../evidence/log/note.ts';
import { anchorTrustOf } from '../../evidence/verify/anchors.ts';
import type { BelievedLog } from '../../evidence/verify/trust.ts';
import { longNotes } from '../store/long-notes.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Stretch } from './levels.ts';

export interface NotesParts {
  readonly database: RiskDatabase;
  readonly crypto: EvidenceCrypto;
}

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
      const wish = { origin: believed.vkey.name, above, most };
      const noted =
        above < most ? await parts.database.as('custody', (trx) => longNotes(trx, wish, 'newest first')) : [];
      for (const { note: bytes } of noted) {
        const parsed = parseNote(bytes);
        if (!parsed.ok) continue;
        const note = parsed.value;
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
