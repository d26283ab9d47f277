/** A button that does something at the site: asks whether it is meant, does it, and says what came of it. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ActRequest } from '../../edge/contracts/console-view.ts';
import { useActing } from './acting.tsx';
import { act, textOf } from './api.ts';
import { type Outcome, outcomeOf } from './sayings.ts';

export function ActButton({
  request,
  label,
  sure,
  isQuiet = false,
  isPossible = true,
}: {
  readonly request: ActRequest;
  readonly label: string;
  /** A sentence that says what will happen, and the word of the button that does it. */
  readonly sure: { readonly text: ComponentChildren; readonly yes: string };
  readonly isQuiet?: boolean;
  /** Otherwise it only says what came of it before: what was done may be what makes it impossible now. */
  readonly isPossible?: boolean;
}) {
  const { guarded } = useActing();
  const [state, setState] = useState<'idle' | 'asked' | 'busy'>('idle');
  const [outcome, setOutcome] = useState<Outcome | undefined>();
  const yes = useRef<HTMLButtonElement>(null);
  const first = useRef<HTMLButtonElement>(null);
  const wasAsked = useRef(false);
  useEffect(() => {
    if (state === 'asked') yes.current?.focus();
    // The button that was pressed is gone.
    else if (state === 'idle' && wasAsked.current) first.current?.focus();
    wasAsked.current = state !== 'idle';
  }, [state]);
  const run = async (): Promise<void> => {
    if (state === 'busy') return;
    setState('busy');
    try {
      setOutcome(outcomeOf(await guarded(sure.yes, (csrf) => act(csrf, request))));
    } catch (error) {
      setOutcome({ tone: 'bad', text: textOf(error) });
    }
    setState('idle');
  };
  const ask = (): void => {
    setOutcome(undefined);
    setState('asked');
  };
  return (
    <div class="act">
      {state === 'idle' && isPossible && (
        <button ref={first} type="button" class={isQuiet ? 'button quiet' : 'button'} onClick={ask}>
          {label}
        </button>
      )}
      {state !== 'idle' && (
        <div class="sure">
          <p>{sure.text}</p>
          <div class="buttons">
            <button ref={yes} type="button" class="button" aria-disabled={state === 'busy'} onClick={run}>
              {state === 'busy' ? 'Working…' : sure.yes}
            </button>
            {state === 'asked' && (
              <button type="button" class="button quiet" onClick={() => setState('idle')}>
                Cancel
              </button>
            )}
          </div>
        </div>
      )}
      <div role="status">{outcome !== undefined && <p class={`told ${outcome.tone}`}>{outcome.text}</p>}</div>
    </div>
  );
}
