/** Entries in the order of their log, with the days that they claim and the gaps between them. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Rows } from '../kit/rows.tsx';
import { Path } from './path.tsx';
import type { EntryView, LogView } from './view-types.ts';

/** As many at once as a browser lays out without a pause. */
const PAGE_ENTRIES = 100;

export function Timeline({ log }: { readonly log: LogView }) {
  const [shown, setShown] = useState(PAGE_ENTRIES);
  const { entries, omitted, isProved } = log;
  const items: ComponentChildren[] = [];
  let day: string | undefined;
  let before: number | undefined;
  for (const entry of entries.slice(0, shown)) {
    if (before !== undefined && omitted > 0 && entry.n > before + 1) {
      items.push(
        <li key="omitted" class="day">
          {omitted.toLocaleString('en')} entries are not drawn
        </li>,
      );
    }
    if (entry.day !== undefined && entry.day !== day) {
      day = entry.day;
      items.push(
        <li key={`day ${entry.n}`} class="day">
          {day}
        </li>,
      );
    }
    items.push(<Entry key={entry.n} entry={entry} isProved={isProved} />);
    before = entry.n;
  }
  return (
    <>
      <ol class="timeline">{items}</ol>
      {entries.length > shown && (
        <button type="button" class="button quiet" onClick={() => setShown(shown + PAGE_ENTRIES)}>
          Show {Math.min(PAGE_ENTRIES, entries.length - shown)} more of {(entries.length - shown).toLocaleString('en')}
        </button>
      )}
    </>
  );
}

function Entry({ entry, isProved }: { readonly entry: EntryView; readonly isProved: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const { n, use, title, type, time, gap, about, rows, note, path, decisions, level } = entry;
  return (
    <li class={`entry ${use}${decisions.length > 0 ? ' decisive' : ''}${isProved ? '' : ' claimed'}`}>
      {gap !== undefined && <p class="gap">{gap}</p>}
      <div class="line">
        <span class="time">{time ?? (use === 'accepted' ? 'clock not set' : '')}</span>
        <div class="what">
          <p class="title">
            {title} <span class="index">#{n}</span>
            {level !== undefined && (
              <span class="badge level" data-entry-level={level.level}>
                <span class="unseen">level </span>
                {level.level} {level.text}
              </span>
            )}
            {decisions.length > 0 && <span class="badge">decision rests on it</span>}
            {use !== 'accepted' && <span class="badge quiet">{use}</span>}
          </p>
          {about.length > 0 && (
            <p class="about">
              {about.map((each) => (
                <span key={each}>{each}</span>
              ))}
            </p>
          )}
          {note !== undefined && <p class="hint">{note}</p>}
          {(rows.length > 0 || path !== undefined) && (
            <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
              <summary>
                Details{path !== undefined && ' and path'} <span class="unseen">of entry {n}</span>
              </summary>
              {isOpen && type !== undefined && <p class="mono hint">{type}</p>}
              {isOpen && rows.length > 0 && <Rows rows={rows} />}
              {isOpen && path !== undefined && <Path path={path} isProved={isProved} />}
            </details>
          )}
        </div>
      </div>
    </li>
  );
}
