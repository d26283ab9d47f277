/** What each level of assurance says, in words (FORMAT.md section 9). */
import type { EntriesAt } from '../../evidence/verify/entry-levels.ts';
import type { Level } from '../../evidence/verify/policy.ts';
import type { ReachedView } from './view-types.ts';

/** What each level adds to those below it. */
export const LEVEL_TEXTS: Readonly<Record<Level, string>> = {
  A0: 'signed by the key of its log',
  A1: 'signed by a key sealed in a hardware TPM',
  A2: 'inside a checkpoint that a TPM certified with its counter',
  A3: 'certified by a TPM, and cosigned by an independent witness',
};

/** Beside an entry. */
export const LEVEL_SHORT: Readonly<Record<Level, string>> = {
  A0: 'signed, no more',
  A1: 'sealed key',
  A2: 'anchored',
  A3: 'anchored and cosigned',
};

const NAMED_MAX = 24;

/** Of what reaches no more than A0, a key in an emulated TPM may be all there is, or one that was revoked. */
export function levelText(level: Level): string {
  return level === 'A0'
    ? 'signed by a software key, by one in an emulated TPM, or by one that was revoked'
    : LEVEL_TEXTS[level];
}

export function reachedViews(levels: readonly EntriesAt[]): readonly ReachedView[] {
  return levels.map(({ level, entries }) => ({ level, text: levelText(level), which: whichOf(entries) }));
}

function whichOf(entries: readonly number[]): string {
  const [only] = entries;
  if (entries.length === 1) return `entry ${only}`;
  const named = entries.slice(0, NAMED_MAX);
  const more = entries.length - named.length;
  if (more > 0) return `entries ${named.join(', ')} and ${more.toLocaleString('en')} more`;
  return `entries ${named.slice(0, -1).join(', ')} and ${named.at(-1)}`;
}
