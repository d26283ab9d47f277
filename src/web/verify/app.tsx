/** The page: what is given, and what follows from it. Any change asks anew, and the answer before is forgotten. */
import { useCallback, useEffect, useState } from 'preact/hooks';
import { POLICY_BYTES_MAX } from '../../evidence/verify/policy.ts';
import { Given, type Inputs } from './given.tsx';
import { isPolicy } from './judge.ts';
import type { Told } from './protocol.ts';
import { Result } from './result.tsx';
import { ask } from './worker-link.ts';

export function App({ script }: { readonly script: string }) {
  const [inputs, setInputs] = useState<Inputs>({ beside: [] });
  const [told, setTold] = useState<Told | undefined>();
  useEffect(() => {
    const { file } = inputs;
    setTold(undefined);
    if (file === undefined) return;
    setTold({ kind: 'progress', doneBytes: 0, totalBytes: file.size });
    return ask(script, { ...inputs, file }, setTold);
  }, [inputs, script]);
  const give = useCallback((more: Partial<Inputs>) => setInputs((before) => ({ ...before, ...more })), []);
  const isOver = useDrop(give);
  return (
    <>
      <header class="top">
        <p class="brand">
          <Key /> Latchkey
        </p>
        <h1>Evidence verifier</h1>
        <p class="lead">
          Checks custody evidence of parcel lockers here, in this browser. Nothing is sent anywhere: the page may open
          no connection.
        </p>
      </header>
      <main class={isOver ? 'is-over' : ''}>
        <Given inputs={inputs} give={give} />
        <Result told={told} hasFile={inputs.file !== undefined} />
      </main>
      <footer>
        <p>
          The same code as <code>latchkey verify</code>. A verdict is worth what the trust policy is worth: take it from
          somebody whom you believe, never from whoever gave you the evidence.
        </p>
      </footer>
    </>
  );
}

/** Files may be dropped anywhere: a sound trust policy is taken as one, anything else as the evidence. */
function useDrop(give: (more: Partial<Inputs>) => void): boolean {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const over = (event: DragEvent): void => {
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      setOver(false);
      sorted([...(event.dataTransfer?.files ?? [])]).then(give, () => undefined);
    };
    window.addEventListener('dragover', over);
    window.addEventListener('dragleave', leave);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragover', over);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('drop', drop);
    };
  }, [give]);
  return isOver;
}

async function sorted(files: readonly File[]): Promise<Partial<Inputs>> {
  let given: Partial<Inputs> = {};
  for (const file of files) {
    const isSmall = file.size <= POLICY_BYTES_MAX;
    // A file that cannot be read is evidence here: the verdict over it says why.
    const bytes = isSmall ? await file.arrayBuffer().catch(() => new ArrayBuffer(0)) : undefined;
    const policy = bytes !== undefined && isPolicy(new Uint8Array(bytes));
    given = policy ? { ...given, policy: file } : { ...given, file };
  }
  return given;
}

function Key() {
  return (
    <svg class="key" viewBox="0 0 24 24" aria-hidden="true">
      <circle cx="8" cy="12" r="4.5" />
      <path d="M12.5 12H22M18 12v4M21 12v2.5" />
    </svg>
  );
}
