/** The page: a locker wall to click, what stands at the desk, and the cables between them and a gateway. */
import { useCallback, useState } from 'preact/hooks';
import type { ActionRequest, ConsoleView } from '../../../simulators/ui/view.ts';
import { Desk } from './desk.tsx';
import { Happened } from './happened.tsx';
import { Lines } from './lines.tsx';
import { type Act, ask, useSite } from './link.ts';
import { State } from './state.tsx';
import { Wall } from './wall.tsx';

export function App() {
  const { view, isAway } = useSite();
  const [problem, setProblem] = useState('');
  const act: Act = useCallback(async (request: ActionRequest) => {
    const found = await ask(request);
    setProblem(found ?? '');
    return found === undefined;
  }, []);
  return (
    <>
      <header class="top">
        <p class="brand">
          <Key /> Latchkey
        </p>
        <h1>{view === undefined ? 'Simulated site' : `Simulated site “${view.name}”`}</h1>
        {view !== undefined && <State view={view} act={act} />}
      </header>
      <div role="alert" class="alerts">
        {isAway && <p class="alert">The simulator does not answer. What stands here is how the site was.</p>}
        {problem !== '' && (
          <p class="alert">
            <span>{problem}</span>
            <button type="button" class="close" onClick={() => setProblem('')} aria-label="Close this message">
              ×
            </button>
          </p>
        )}
      </div>
      <main>
        {view === undefined ? (
          <p class="hint">{isAway ? '' : 'Looking at the site …'}</p>
        ) : (
          <>
            <div class="play">
              <Wall compartments={view.compartments} act={act} />
              <div class="beside">
                {view.console !== undefined && <Console console={view.console} />}
                <Desk view={view} act={act} />
              </div>
            </div>
            <Lines lines={view.lines} gateway={view.gateway} act={act} />
            <Happened happened={view.happened} />
          </>
        )}
      </main>
      <footer>
        <p class="hint">
          Nothing here is a gateway: what is clicked happens to doors, and a gateway sees it over its cables, byte by
          byte. What it made of it stands in its own console, and in <code>latchkey tail</code>.
        </p>
      </footer>
    </>
  );
}

/** The other page, and the phone of whoever acts there. */
function Console({ console: { url, person, code, leftS } }: { readonly console: ConsoleView }) {
  return (
    <section class="card console" aria-labelledby="console-title">
      <h2 id="console-title">The gateway’s console</h2>
      <p>
        <a href={url} target="_blank" rel="noreferrer noopener">
          {url}
        </a>
      </p>
      <p class="hint">
        Sign in as <code>{person}</code>, with the password that <code>latchkey simulate</code> printed. To act there,
        the authenticator says:
      </p>
      <p class="code">
        <output data-code>{code}</output> <span class="hint">for {leftS} s</span>
      </p>
    </section>
  );
}

function Key() {
  return (
    <svg class="key" viewBox="0 0 24 24" aria-hidden="true">
      <circle cx="8" cy="12" r="4.5" />
      <path d="M12.5 12H22M18 12v4M21 12v2.5" />
    </svg>
  );
}
