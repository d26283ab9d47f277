/**
 * The stream of the daemon: its newest view and its newest entries, and since when nothing came.
 *
 * EventSource tries again by itself after a broken connection, but not after an answer that is no stream (a signed-out
 * session, a server that is full): then this asks who is signed in, and tries again or says that nobody is.
 */
import { useEffect, useReducer } from 'preact/hooks';
import type { ConsoleView, EntryView } from '../../edge/contracts/console-view.ts';
import { journal, Refusal, session } from './api.ts';

export const ENTRIES_MAX = 200;
const FIRST_ENTRIES = 60;
const RETRY_MS = 3_000;
const LOOK_EVERY_MS = 1_000;
/** A view comes each second or two; so long without one, and what is drawn is old. */
const SILENT_MS = 12_000;

export interface Live {
  readonly view?: ConsoleView;
  /** Of this browser's clock, when `view` came. */
  readonly viewAtMs: number;
  /** Newest first, of the present log. */
  readonly entries: readonly EntryView[];
  /** When the stream was last heard, while it is not; absent while it is. */
  readonly silentSinceMs?: number;
  readonly nowMs: number;
}

type Step =
  | { readonly kind: 'view'; readonly view: ConsoleView; readonly nowMs: number }
  | { readonly kind: 'entries'; readonly entries: readonly EntryView[] }
  | { readonly kind: 'lost'; readonly nowMs: number }
  | { readonly kind: 'tick'; readonly nowMs: number };

export function useLive(onSignedOut: () => void): Live {
  const [live, tell] = useReducer(step, { viewAtMs: 0, entries: [], nowMs: Date.now() });
  useEffect(() => listen(tell, onSignedOut), [onSignedOut]);
  return live;
}

function step(live: Live, input: Step): Live {
  switch (input.kind) {
    case 'view': {
      const { silentSinceMs: _, ...rest } = live;
      return { ...rest, view: input.view, viewAtMs: input.nowMs, nowMs: input.nowMs };
    }
    case 'entries':
      return { ...live, entries: merged(live.entries, input.entries) };
    case 'lost':
      return { ...live, nowMs: input.nowMs, silentSinceMs: live.silentSinceMs ?? (live.viewAtMs || input.nowMs) };
    case 'tick': {
      const isSilent = live.view !== undefined && input.nowMs - live.viewAtMs > SILENT_MS;
      return { ...live, nowMs: input.nowMs, ...(isSilent && { silentSinceMs: live.viewAtMs }) };
    }
  }
}

/** Newest first; another log than the one before begins anew. */
export function merged(before: readonly EntryView[], more: readonly EntryView[]): readonly EntryView[] {
  const log = more[0]?.log;
  if (log === undefined) return before;
  const all = new Map(before.filter((each) => each.log === log).map((each) => [each.n, each]));
  for (const each of more) if (each.log === log) all.set(each.n, each);
  return [...all.values()].sort((a, b) => b.n - a.n).slice(0, ENTRIES_MAX);
}

/** Returns what ends it. */
function listen(tell: (input: Step) => void, onSignedOut: () => void): () => void {
  let isOver = false;
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  const open = (): void => {
    if (isOver) return;
    source = new EventSource('api/live');
    source.addEventListener('open', () => void catchUp());
    source.addEventListener('view', ({ data }: MessageEvent<string>) => {
      tell({ kind: 'view', view: JSON.parse(data) as ConsoleView, nowMs: Date.now() });
    });
    source.addEventListener('entry', ({ data }: MessageEvent<string>) => {
      tell({ kind: 'entries', entries: [JSON.parse(data) as EntryView] });
    });
    source.addEventListener('ended', () => signedOut());
    source.addEventListener('error', () => {
      tell({ kind: 'lost', nowMs: Date.now() });
      if (source?.readyState === EventSource.CLOSED) void lookAgain();
    });
  };
  const signedOut = (): void => {
    source?.close();
    if (!isOver) onSignedOut();
  };
  const lookAgain = async (): Promise<void> => {
    try {
      await session();
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) return signedOut();
    }
    if (!isOver) retry = setTimeout(open, RETRY_MS);
  };
  /** What was missed while no stream was there. */
  const catchUp = async (): Promise<void> => {
    const page = await journal({ limit: FIRST_ENTRIES }).catch(() => undefined);
    if (page !== undefined && !isOver) tell({ kind: 'entries', entries: page.entries });
  };
  const ticking = setInterval(() => tell({ kind: 'tick', nowMs: Date.now() }), LOOK_EVERY_MS);
  open();
  return () => {
    isOver = true;
    clearInterval(ticking);
    clearTimeout(retry);
    source?.close();
  };
}
