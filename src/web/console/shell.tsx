/** The frame around all pages: where one is, who one is, whether what is drawn is new, and problems as they arise. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { ConsoleView, SessionView } from '../../edge/contracts/console-view.ts';
import { agoText, counted } from '../kit/words.ts';
import { ActingProvider, SecondFactor, useGuard } from './acting.tsx';
import { signOut } from './api.ts';
import { DevicesPage } from './devices.tsx';
import { HealthPage } from './health.tsx';
import { KeyMark, PageIcon } from './icons.tsx';
import { JournalPage } from './journal.tsx';
import { type Live, useLive } from './live.ts';
import { hashOf, PAGES, type Route, useRoute } from './route.ts';
import { momentText } from './sayings.ts';
import { SitePage } from './site.tsx';
import { TellingProvider, ToldElsewhere } from './told.tsx';

export function Shell({
  session,
  onSession,
  onEnded,
}: {
  readonly session: SessionView;
  readonly onSession: (session: SessionView) => void;
  readonly onEnded: (note?: string) => void;
}) {
  const ended = useCallback(() => onEnded('Your session has ended. Sign in again.'), [onEnded]);
  const live = useLive(ended);
  const route = useRoute();
  const { acting, asked } = useGuard(live, session, onSession, onEnded);
  const main = useRef<HTMLElement>(null);
  useFocusOfPage(route, main);
  const leave = async (): Promise<void> => {
    await signOut(session.csrf).catch(() => undefined);
    onEnded('You are signed out.');
  };
  const { view } = live;
  return (
    <ActingProvider value={acting}>
      <TellingProvider>
        {/* Not an address: those after # are pages. */}
        <button type="button" class="skip" onClick={() => main.current?.focus()}>
          Skip to the page
        </button>
        <header class="top">
          <p class="brand">
            <KeyMark /> <span class="brand-name">{view?.gateway ?? 'Latchkey'}</span>
          </p>
          <Pulse live={live} />
          <nav class="pages" aria-label="Pages">
            {PAGES.map(({ name, title }) => (
              <a key={name} href={hashOf({ page: name })} aria-current={route.page === name ? 'page' : undefined}>
                <PageIcon name={name} /> {title}
              </a>
            ))}
          </nav>
          <p class="who">
            <span class="hint">
              {session.person} <span class="role">{session.role}</span>
            </span>
            <button type="button" class="link" onClick={leave}>
              Sign out
            </button>
          </p>
        </header>
        <Away live={live} />
        <main ref={main} class={live.silentSinceMs === undefined ? '' : 'is-old'} tabIndex={-1}>
          {view === undefined ? (
            <p class="hint wait">Waiting for the gateway…</p>
          ) : (
            <Page route={route} view={view} live={live} />
          )}
        </main>
        <ToldElsewhere />
        <News view={view} />
        {asked !== undefined && <SecondFactor asked={asked} csrf={session.csrf} />}
      </TellingProvider>
    </ActingProvider>
  );
}

function Page({ route, view, live }: { readonly route: Route; readonly view: ConsoleView; readonly live: Live }) {
  switch (route.page) {
    case 'site':
      return <SitePage view={view} live={live} name={route.name} />;
    case 'journal':
      return <JournalPage view={view} live={live} />;
    case 'devices':
      return <DevicesPage view={view} live={live} />;
    case 'health':
      return <HealthPage view={view} live={live} />;
  }
}

/** A screen reader hears where it came to; the first page that is drawn takes no focus from the browser. */
function useFocusOfPage({ page }: Route, main: { readonly current: HTMLElement | null }): void {
  const before = useRef(page);
  useEffect(() => {
    const title = PAGES.find(({ name }) => name === page)?.title ?? '';
    document.title = `${title} · Latchkey console`;
    if (before.current === page) return;
    before.current = page;
    scrollTo(0, 0);
    const heading = main.current?.querySelector<HTMLElement>('h1');
    (heading ?? main.current)?.focus();
  }, [page, main]);
}

function Pulse({ live: { view, silentSinceMs } }: { readonly live: Live }) {
  if (view === undefined) return <p class="pulse">connecting</p>;
  if (silentSinceMs !== undefined) return <p class="pulse unsure">old</p>;
  const problems = view.findings.filter(({ severity }) => severity === 'problem').length;
  return problems === 0 ? <p class="pulse good">all well</p> : <p class="pulse bad">{counted(problems, 'problem')}</p>;
}

function Away({ live: { silentSinceMs, view, nowMs } }: { readonly live: Live }) {
  return (
    <div role="status">
      {silentSinceMs !== undefined && (
        <p class="away">
          <strong>No news from the gateway since {momentText(silentSinceMs)}</strong>{' '}
          <span aria-hidden="true">({agoText(nowMs - silentSinceMs)})</span>.{' '}
          {view === undefined ? '' : 'What you see is as it was then. '}It is tried again by itself; look at the
          network, and whether the gateway runs.
        </p>
      )}
    </div>
  );
}

/** Says each problem once, when it comes, and when the last one went. */
function News({ view }: { readonly view: ConsoleView | undefined }) {
  const [said, setSaid] = useState('');
  const known = useRef<ReadonlySet<string> | undefined>(undefined);
  useEffect(() => {
    if (view === undefined) return;
    const problems = view.findings.filter(({ severity }) => severity === 'problem');
    const before = known.current;
    known.current = new Set(problems.map(placeOf));
    if (before === undefined) return;
    const fresh = problems.filter((each) => !before.has(placeOf(each)));
    if (fresh.length > 0) setSaid(fresh.map(({ text }) => `New problem: ${text}`).join(' '));
    else if (problems.length === 0 && before.size > 0) setSaid('All problems are over.');
  }, [view]);
  return (
    <div class="unseen" aria-live="polite" data-news>
      {said}
    </div>
  );
}

/** The text of a problem may count seconds: what it is about stays. */
function placeOf({ about, name = '', text }: ConsoleView['findings'][number]): string {
  return `${about} ${name} ${text.replace(/\d+/g, '#')}`;
}
