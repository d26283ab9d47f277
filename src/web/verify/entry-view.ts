/** An entry of a log as it is drawn on the time line. Of what is withheld nothing but its place is shown. */

import { utf8 } from '../../base/bytes.ts';
import { readTime } from '../../base/wall-time.ts';
import { checkLeaf } from '../../evidence/batch/check-leaf.ts';
import type { CustodyEvent, Json } from '../../evidence/event/event.ts';
import { titleOf } from '../kit/words.ts';
import type { DrawnEntry } from './drawing.ts';
import type { EntryUse, EntryView, Row } from './view-types.ts';

const GAP_TOLD_MS = 60_000;
const VALUE_UNITS_MAX = 400;

/** `decisions`: by entry, `<origin>#<n>`, the decisions that name it. */
export function entryViews(
  origin: string,
  entries: readonly DrawnEntry[],
  decisions: ReadonlyMap<string, readonly string[]>,
): readonly EntryView[] {
  let beforeMs: number | undefined;
  return entries.map((entry) => {
    const { view, atMs } = entryView(origin, entry);
    const gap = beforeMs === undefined || atMs === undefined ? undefined : gapText(atMs - beforeMs);
    beforeMs = atMs ?? beforeMs;
    return { ...view, ...(gap !== undefined && { gap }), decisions: decisions.get(`${origin}#${entry.n}`) ?? [] };
  });
}

type Bare = Omit<EntryView, 'decisions' | 'gap'>;

function entryView(origin: string, { n, leaf, path }: DrawnEntry): { readonly view: Bare; readonly atMs?: number } {
  const proof = path !== undefined && { path };
  const dark = (use: EntryUse, title: string, note: string): { readonly view: Bare } => ({
    view: { n, use, title, note, about: [], rows: [], ...proof },
  });
  if (leaf === undefined)
    return dark(
      'erased',
      'Erased entry',
      'Its body is not in the bundle, as after an erasure: its leaf hash alone is proved.',
    );
  const checked = checkLeaf(origin, n, utf8(leaf));
  if (!checked.ok) return dark('unreadable', 'Not an entry of this place', checked.detail);
  const { use, event } = checked.value;
  if (use.use === 'withheld') {
    return dark('withheld', 'Withheld entry', `Not shown (${use.why}): ${use.paths.join(' ') || 'the whole event'}`);
  }
  if (event === undefined) return dark('opaque', 'Entry of another version', 'This page does not know its version.');
  const atMs = event.clock.src === 'none' ? undefined : readTime(event.at);
  const note =
    use.use === 'opaque' ? 'Of a kind that this page does not know: it is proved to be there.' : noteOf(event);
  const view: Bare = {
    n,
    use: use.use,
    title: titleOf(event.type),
    type: event.type,
    ...(atMs !== undefined && { day: event.at.slice(0, 10), time: event.at.slice(11, 23) }),
    about: aboutOf(event),
    rows: rowsOf(event),
    ...(note !== undefined && { note }),
    ...proof,
  };
  return { view, ...(atMs !== undefined && { atMs }) };
}

function noteOf({ withheld, carried }: CustodyEvent): string | undefined {
  const notes = [
    ...(carried === undefined ? [] : [`Carried over from ${carried.log}, entry ${carried.n}.`]),
    ...(withheld === undefined ? [] : [`The gateway's privacy guard dropped ${withheld.join(' ')}.`]),
  ];
  return notes.length === 0 ? undefined : notes.join(' ');
}

function aboutOf({ compartment, device, parcel, actor }: CustodyEvent): readonly string[] {
  return [
    ...(compartment === undefined ? [] : [`compartment ${compartment}`]),
    ...(device === undefined ? [] : [`device ${device}`]),
    ...(parcel === undefined ? [] : [`parcel ${parcel.scheme}:${parcel.ref}`]),
    ...(actor === undefined ? [] : [`${actor.kind} ${actor.ref}`]),
  ];
}

function rowsOf({ data, clock, boot, up_ms, at }: CustodyEvent): readonly Row[] {
  const rows = Object.entries(data).map(([label, value]) => ({
    label: label.replaceAll('_', ' '),
    value: said(value),
  }));
  const error = clock.err_ms === undefined ? 'error unknown' : `± ${clock.err_ms} ms`;
  const source = clock.src === 'none' ? `not set (${at} is no time)` : `${clock.src}, ${error}`;
  return [
    ...rows,
    { label: 'clock', value: source },
    { label: 'since start', value: `${(up_ms / 1_000).toFixed(3)} s, boot ${boot}` },
  ];
}

function said(value: Json): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length <= VALUE_UNITS_MAX ? text : `${text.slice(0, VALUE_UNITS_MAX)}…`;
}

export function gapText(gapMs: number): string | undefined {
  if (gapMs < 0) return `the clock goes back by ${spanText(-gapMs)}`;
  return gapMs < GAP_TOLD_MS ? undefined : `${spanText(gapMs)} later`;
}

function spanText(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const shown = parts.filter(([count]) => count > 0).slice(0, 2);
  return shown.length === 0 ? '0 s' : shown.map(([count, unit]) => `${count} ${unit}`).join(' ');
}
