/** The journal: what was signed, newest first, how far each entry is proved, and the whole of each event. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { ConsoleView, EntryView, JournalPage as Page } from '../../edge/contracts/console-view.ts';
import { counted, countText } from '../kit/words.ts';
import { journal, textOf } from './api.ts';
import { EventRows, Facts, factsOf } from './event-facts.tsx';
import { actorWords, eventTitle } from './event-words.ts';
import type { Live } from './live.ts';
import { ASSURANCE, clockText, dayText, STATES, stateOf } from './sayings.ts';
import { StateDots } from './stream.tsx';

const PAGE_ENTRIES = 50;

interface Loaded {
  readonly page?: Page;
  readonly entries: readonly EntryView[];
  readonly isLoading: boolean;
  readonly wrong?: string;
}

export function JournalPage({ view, live }: { readonly view: ConsoleView; readonly live: Live }) {
  const [log, setLog] = useState<string | undefined>();
  const [type, setType] = useState('');
  const [compartment, setCompartment] = useState('');
  const { loaded, loadMore } = useLog(log);
  const { page, isLoading, wrong } = loaded;
  const all = useMemo(() => withNews(loaded, live, log), [loaded, live.entries, log]);
  const shown = all.filter(
    (each) => (type === '' || each.type === type) && (compartment === '' || each.compartment === compartment),
  );
  const isFiltered = type !== '' || compartment !== '';
  const oldest = all.at(-1)?.n ?? 0;
  return (
    <>
      <header class="page-head">
        <h1 tabIndex={-1}>Journal</h1>
        <p class="hint">
          {page === undefined ? '' : counted(Math.max(page.size, (all[0]?.n ?? -1) + 1), 'entry', 'entries')} in this
          log
        </p>
      </header>
      <Proof view={view} />
      <div class="filters">
        <Choice
          label="Type"
          value={type}
          onChoice={setType}
          none="all types"
          values={typesOf(all)}
          nameOf={eventTitle}
        />
        <Choice
          label="Compartment"
          value={compartment}
          onChoice={setCompartment}
          none="all compartments"
          values={view.compartments.map(({ name }) => name)}
        />
        {page !== undefined && page.logs.length > 1 && (
          <Choice
            label="Log"
            value={log ?? ''}
            onChoice={(chosen) => setLog(chosen === '' ? undefined : chosen)}
            none="the open log"
            values={page.logs.map(({ origin }) => origin)}
          />
        )}
      </div>
      <div role="status" class="hint">
        {isFiltered && `${counted(shown.length, 'entry', 'entries')} of the newest ${countText(all.length)} match.`}
      </div>
      <Table entries={shown} view={view} />
      {wrong !== undefined && (
        <p class="told bad" role="alert">
          {wrong}
        </p>
      )}
      {!isLoading && all.length === 0 && <p class="hint">This log has no entry yet.</p>}
      {(oldest > 0 || wrong !== undefined) && (
        <button type="button" class="button quiet" aria-disabled={isLoading} onClick={loadMore}>
          {isLoading ? 'Looking…' : isFiltered ? 'Look further back' : 'Older entries'}
        </button>
      )}
    </>
  );
}

function useLog(log: string | undefined): { readonly loaded: Loaded; readonly loadMore: () => void } {
  const [loaded, setLoaded] = useState<Loaded>({ entries: [], isLoading: true });
  const load = (before: number | undefined, kept: readonly EntryView[]): (() => void) => {
    let isOver = false;
    setLoaded((now) => ({ ...now, entries: kept, isLoading: true }));
    const query = { limit: PAGE_ENTRIES, ...(before !== undefined && { before }), ...(log !== undefined && { log }) };
    journal(query).then(
      (page) => !isOver && setLoaded({ page, entries: [...kept, ...page.entries], isLoading: false }),
      (error: unknown) => !isOver && setLoaded((now) => ({ ...now, isLoading: false, wrong: textOf(error) })),
    );
    return () => {
      isOver = true;
    };
  };
  useEffect(() => load(undefined, []), [log]);
  const loadMore = (): void => {
    if (!loaded.isLoading) load(loaded.entries.at(-1)?.n, loaded.entries);
  };
  return { loaded, loadMore };
}

/** What came since the first page was asked for stands above it, in the open log alone. */
function withNews({ page, entries }: Loaded, live: Live, log: string | undefined): readonly EntryView[] {
  const newest = entries[0]?.n ?? -1;
  const isOpen = page !== undefined && (log === undefined || log === live.view?.log.origin);
  const news = isOpen ? live.entries.filter((each) => each.log === page.log && each.n > newest) : [];
  return [...news, ...entries];
}

function typesOf(entries: readonly EntryView[]): readonly string[] {
  return [...new Set(entries.map(({ type }) => type))].sort();
}

function Choice({
  label,
  value,
  values,
  none,
  nameOf = (each) => each,
  onChoice,
}: {
  readonly label: string;
  readonly value: string;
  readonly values: readonly string[];
  readonly none: string;
  readonly nameOf?: (value: string) => string;
  readonly onChoice: (value: string) => void;
}) {
  return (
    <label>
      {label}
      <select value={value} onChange={({ currentTarget }) => onChoice(currentTarget.value)}>
        <option value="">{none}</option>
        {values.map((each) => (
          <option key={each} value={each}>
            {nameOf(each)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** What the four dots mean, and what the level of this box does. */
function Proof({ view }: { readonly view: ConsoleView }) {
  const { name, text } = ASSURANCE[view.assurance];
  const { log } = view;
  // On a phone it would stand before the entries.
  const [isWide] = useState(() => matchMedia('(min-width: 48rem)').matches);
  const reached: Readonly<Record<string, number | undefined>> = {
    durable: log.entries,
    signed: log.signed,
    anchored: log.anchored,
    receipted: log.receipted,
  };
  return (
    <details class="card proof" open={isWide}>
      <summary>
        <h2>How far it is proved</h2>
      </summary>
      <ol class="proof-steps">
        {STATES.map(({ state, name: word, text: meaning }) => (
          <li key={state}>
            <StateDots state={state} />
            <p class="proof-name">
              {word} <span class="hint">{reached[state] === undefined ? 'no TPM' : countText(reached[state])}</span>
            </p>
            <p class="hint">{meaning}</p>
          </li>
        ))}
      </ol>
      <p class="hint">
        <strong>{name}.</strong> {text}
      </p>
    </details>
  );
}

function Table({ entries, view }: { readonly entries: readonly EntryView[]; readonly view: ConsoleView }) {
  const [open, setOpen] = useState<string | undefined>();
  let day = '';
  return (
    <ol class="journal" reversed>
      {entries.map((entry) => {
        const id = `${entry.log} ${entry.n}`;
        const its = dayText(entry.at);
        const isNewDay = its !== day;
        day = its;
        return (
          <li key={id}>
            {isNewDay && <p class="day">{its}</p>}
            <Entry
              entry={entry}
              view={view}
              isOpen={open === id}
              onToggle={() => setOpen(open === id ? undefined : id)}
            />
          </li>
        );
      })}
    </ol>
  );
}

function Entry({
  entry,
  view,
  isOpen,
  onToggle,
}: {
  readonly entry: EntryView;
  readonly view: ConsoleView;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}) {
  const { n, type, compartment, actor } = entry;
  const state = stateOf(entry, view.log);
  return (
    <div class={isOpen ? 'row is-open' : 'row'}>
      <button type="button" class="row-head" aria-expanded={isOpen} onClick={onToggle}>
        <span class="mono row-n">#{n}</span>
        <span class="mono row-time">{clockText(entry, view)}</span>
        <span class="row-title">{eventTitle(type)}</span>
        <span class="row-where">{compartment}</span>
        <span class="row-detail hint">
          <Facts facts={factsOf(entry)} />
        </span>
        <span class="row-actor hint">{actor === undefined ? '' : actorWords(actor)}</span>
        <span class="row-state">
          <span class="hint" aria-hidden="true">
            {STATES.find((each) => each.state === state)?.name}
          </span>
          <StateDots state={state} />
        </span>
      </button>
      {isOpen && <Detail entry={entry} state={state} />}
    </div>
  );
}

function Detail({ entry, state }: { readonly entry: EntryView; readonly state: EntryView['state'] }) {
  const saying = STATES.find((each) => each.state === state);
  return (
    <div class="row-detail-all">
      <p>
        <strong>{saying?.name}.</strong> {saying?.text} <code class="raw">{entry.type}</code>
      </p>
      <EventRows entry={entry} />
      <details>
        <summary>The whole event, as it was signed</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard. */}
        <pre tabIndex={0}>{JSON.stringify(entry.event, undefined, 2)}</pre>
      </details>
    </div>
  );
}
