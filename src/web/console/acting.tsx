/**
 * Whatever acts goes through here: who may, and the second factor when the gateway asks for one. A code opens a few
 * minutes in which no other is asked for; the gateway decides that, and the page only shows it.
 */
import { createContext } from 'preact';
import { useContext, useRef, useState } from 'preact/hooks';
import type { SessionView } from '../../edge/contracts/console-view.ts';
import { session as askSession, journal, Refusal, secondFactor, textOf } from './api.ts';
import { Dialog } from './dialog.tsx';
import { type Found, findOut, type Sought } from './find-out.ts';
import type { Live } from './live.ts';

export interface Acting {
  readonly session: SessionView;
  readonly mayAct: boolean;
  /** Runs it; when a second factor is asked for, asks the person and runs it again. Rejects when none was given. */
  guarded<T>(what: string, work: (csrf: string) => Promise<T>): Promise<T>;
  /** How to look for an act in the journal that is asked for now. */
  sought(action: string, target: string | undefined): Sought;
  /** What became of it, when no answer came. */
  lookFor(sought: Sought): Promise<Found>;
}

const ActingContext = createContext<Acting | undefined>(undefined);
export const ActingProvider = ActingContext.Provider;

export function useActing(): Acting {
  const acting = useContext(ActingContext);
  if (acting === undefined) throw new Error('no ActingProvider stands above');
  return acting;
}

interface Asked {
  readonly what: string;
  readonly given: (isGiven: boolean) => void;
}

export interface Guard {
  readonly acting: Acting;
  /** While a code is asked for. */
  readonly asked: Asked | undefined;
}

/** `onEnded`: the session is over. */
export function useGuard(
  live: Live,
  session: SessionView,
  onSession: (session: SessionView) => void,
  onEnded: (note: string) => void,
): Guard {
  const [asked, setAsked] = useState<Asked | undefined>();
  const csrf = useRef(session.csrf);
  csrf.current = session.csrf;
  const elevate = async (what: string): Promise<void> => {
    const isGiven = await new Promise<boolean>((given) => setAsked({ what, given }));
    setAsked(undefined);
    if (!isGiven) throw new Refusal(0, 'Nothing was done: no code was given.');
    const now = await askSession().catch(() => undefined);
    if (now !== undefined) {
      csrf.current = now.csrf;
      onSession(now);
    }
  };
  const guarded = async <T,>(what: string, work: (csrf: string) => Promise<T>): Promise<T> => {
    try {
      return await work(csrf.current);
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) onEnded('Your session has ended. Sign in again.');
      if (!(error instanceof Refusal) || !error.needsFactor) throw error;
    }
    await elevate(what);
    return work(csrf.current);
  };
  const newest = useRef(live);
  newest.current = live;
  const sought = (action: string, target: string | undefined): Sought => {
    const { view, entries } = newest.current;
    const log = view?.log.origin ?? entries[0]?.log ?? '';
    const next = entries[0]?.log === log ? entries[0].n + 1 : 0;
    return { person: session.person, action, target, log, from: Math.max(view?.log.entries ?? 0, next) };
  };
  return { acting: { session, mayAct: session.role !== 'viewer', guarded, sought, lookFor }, asked };
}

function lookFor(sought: Sought): Promise<Found> {
  return findOut(sought, {
    read: (limit) => journal({ limit }),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    nowMs: () => performance.now(),
  });
}

export function SecondFactor({ asked, csrf }: { readonly asked: Asked; readonly csrf: string }) {
  const [wrong, setWrong] = useState<string | undefined>();
  const [isBusy, setBusy] = useState(false);
  const code = useRef<HTMLInputElement>(null);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setWrong(undefined);
    try {
      await secondFactor(csrf, (code.current?.value ?? '').replace(/\s/g, ''));
      asked.given(true);
    } catch (error) {
      setBusy(false);
      setWrong(textOf(error));
      code.current?.select();
      code.current?.focus();
    }
  };
  return (
    <Dialog title="Second factor" onClose={() => asked.given(false)}>
      <form class="factor" onSubmit={submit}>
        <p>
          {asked.what}: type the code that your authenticator shows now. It counts for the next few minutes, and the
          journal names you.
        </p>
        <label>
          Code
          <input
            ref={code}
            data-first
            class="code"
            type="text"
            name="code"
            inputMode="numeric"
            autocomplete="one-time-code"
            maxLength={12}
            required
          />
        </label>
        <div role="alert">{wrong !== undefined && <p class="told bad">{wrong}</p>}</div>
        <div class="buttons">
          <button class="button" type="submit" aria-disabled={isBusy}>
            {isBusy ? 'Looking…' : 'Continue'}
          </button>
          <button class="button quiet" type="button" onClick={() => asked.given(false)}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
