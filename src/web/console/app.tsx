/** Who is signed in decides what there is: the sign-in, or the console. */
import { useCallback, useEffect, useState } from 'preact/hooks';
import type { SessionView } from '../../edge/contracts/console-view.ts';
import { Refusal, session, textOf } from './api.ts';
import { Shell } from './shell.tsx';
import { SignIn } from './sign-in.tsx';

type Known =
  | { readonly state: 'asking' }
  | { readonly state: 'out'; readonly note?: string }
  | { readonly state: 'unreachable'; readonly why: string }
  | { readonly state: 'in'; readonly session: SessionView };

const AGAIN_MS = 3_000;

export function App() {
  const [known, setKnown] = useState<Known>({ state: 'asking' });
  useEffect(() => askUntilKnown(setKnown), []);
  const onSignedIn = useCallback((view: SessionView) => setKnown({ state: 'in', session: view }), []);
  const onEnded = useCallback((note?: string) => setKnown({ state: 'out', ...(note !== undefined && { note }) }), []);
  if (known.state === 'in') return <Shell session={known.session} onSession={onSignedIn} onEnded={onEnded} />;
  if (known.state === 'out') return <SignIn note={known.note} onSignedIn={onSignedIn} />;
  return (
    <main class="alone">
      <h1 class="unseen">Latchkey console</h1>
      <p class="hint" role="status">
        {known.state === 'asking' ? 'Asking the gateway…' : `${known.why} Trying again.`}
      </p>
    </main>
  );
}

function askUntilKnown(tell: (known: Known) => void): () => void {
  let isOver = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ask = async (): Promise<void> => {
    const known = await session().then((view): Known => ({ state: 'in', session: view }), unknownOf);
    if (isOver) return;
    tell(known);
    if (known.state === 'unreachable') timer = setTimeout(ask, AGAIN_MS);
  };
  void ask();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

function unknownOf(error: unknown): Known {
  return error instanceof Refusal && error.status === 401
    ? { state: 'out' }
    : { state: 'unreachable', why: textOf(error) };
}
