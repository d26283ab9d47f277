/** Events as they become durable, newest first. */
import type { EntryView } from '../../edge/contracts/console-view.ts';
import { Facts, factsOf, type Said } from './event-facts.tsx';
import { actorWords, eventTitle } from './event-words.ts';
import type { Live } from './live.ts';
import { hashOf } from './route.ts';
import { clockText, STATES, stateOf } from './sayings.ts';

const SHOWN = 40;
/** The daemon's own sign of life says nothing about the site. */
const QUIET: ReadonlySet<string> = new Set(['gateway.alive', 'anchor.made']);

export function Stream({ live }: { readonly live: Live }) {
  const entries = live.entries.filter(({ type }) => !QUIET.has(type)).slice(0, SHOWN);
  return (
    <section class="card stream" aria-labelledby="stream-title">
      <header class="stream-head">
        <h2 id="stream-title">As it happens</h2>
        <a href={hashOf({ page: 'journal' })}>Journal</a>
      </header>
      <Entries entries={entries} live={live} none="Nothing has happened yet in this log." />
    </section>
  );
}

export function Entries({
  entries,
  live,
  none,
  isOfOnePlace = false,
}: {
  readonly entries: readonly EntryView[];
  readonly live: Live;
  readonly none: string;
  /** The heading says already where it was. */
  readonly isOfOnePlace?: boolean;
}) {
  if (entries.length === 0) return <p class="hint">{none}</p>;
  return (
    <ol class="entries" reversed>
      {entries.map((entry) => (
        <EntryLine key={`${entry.log} ${entry.n}`} entry={entry} live={live} isOfOnePlace={isOfOnePlace} />
      ))}
    </ol>
  );
}

function EntryLine({
  entry,
  live,
  isOfOnePlace,
}: {
  readonly entry: EntryView;
  readonly live: Live;
  readonly isOfOnePlace: boolean;
}) {
  const { n, type, compartment, actor } = entry;
  const state = stateOf(entry, live.view?.log);
  const facts: Said[] = [
    ...(isOfOnePlace || compartment === undefined ? [] : [{ text: compartment }]),
    ...factsOf(entry),
    ...(actor === undefined ? [] : [{ text: actorWords(actor) }]),
  ];
  return (
    <li class={`entry-line ${toneOf(type)}`} data-n={n}>
      <time class="mono" dateTime={entry.at}>
        {live.view === undefined ? '' : clockText(entry, live.view)}
      </time>
      <span class="entry-what">
        <span class="entry-title" title={type}>
          {eventTitle(type)}
        </span>
        <span class="hint">
          <Facts facts={facts} />
        </span>
      </span>
      <StateDots state={state} />
    </li>
  );
}

/** Four dots, filled as far as it came; the word is there for who cannot see them. */
export function StateDots({ state }: { readonly state: EntryView['state'] }) {
  const reached = STATES.findIndex((each) => each.state === state);
  const { name = '', text = '' } = STATES[reached] ?? {};
  return (
    <span class="dots" title={`${name}: ${text}`}>
      {STATES.map((each, i) => (
        <span key={each.state} class={i <= reached ? 'dot on' : 'dot'} />
      ))}
      <span class="unseen">{name}</span>
    </span>
  );
}

const BAD: ReadonlySet<string> = new Set([
  'door.forced',
  'tamper.raised',
  'device.lost',
  'device.faulted',
  'power.lost',
]);
const UNSURE: ReadonlySet<string> = new Set([
  'access.refused',
  'command.refused',
  'compartment.disturbed',
  'exception.reported',
  'line.noisy',
  'clock.stepped',
]);

function toneOf(type: string): 'bad' | 'unsure' | '' {
  if (BAD.has(type)) return 'bad';
  return UNSURE.has(type) ? 'unsure' : '';
}
