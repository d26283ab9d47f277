/** A button that does something at the site: asks whether it is meant, does it, and has said what came of it. */
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ActRequest } from '../../edge/contracts/console-view.ts';
import { useActing } from './acting.tsx';
import { act, Refusal, textOf } from './api.ts';
import { LOOKING, type Outcome, outcomeFound, outcomeOf, targetOf } from './outcomes.ts';
import { useActPlace } from './told.tsx';

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
  readonly isPossible?: boolean;
}) {
  const { guarded, sought, lookFor } = useActing();
  const { say, catchFocus } = useActPlace();
  const [state, setState] = useState<'idle' | 'asked' | 'busy'>('idle');
  const box = useRef<HTMLDivElement>(null);
  const yes = useRef<HTMLButtonElement>(null);
  const first = useRef<HTMLButtonElement>(null);
  const wasAsked = useRef(false);
  const wasPossible = useRef(isPossible);
  // At once: what is drawn next may take the button away.
  useLayoutEffect(() => {
    if (state === 'asked') yes.current?.focus();
    // The button that was pressed is gone.
    else if (state === 'idle' && wasAsked.current) first.current?.focus();
    wasAsked.current = state !== 'idle';
    if (wasPossible.current && !isPossible) catchFocus();
    wasPossible.current = isPossible;
  }, [state, isPossible]);
  useLayoutEffect(
    () => () => {
      if (box.current?.contains(document.activeElement) === true) catchFocus();
    },
    [],
  );
  const run = async (): Promise<void> => {
    if (state === 'busy') return;
    setState('busy');
    say(await outcome());
    setState('idle');
  };
  const outcome = async (): Promise<Outcome> => {
    const begunMs = Date.now();
    const seek = sought(request.verb, targetOf(request));
    try {
      return outcomeOf(request, await guarded(sure.yes, (csrf) => act(csrf, request)), begunMs);
    } catch (error) {
      if (!(error instanceof Refusal) || !error.isUnknown) return { tone: 'bad', text: textOf(error) };
    }
    say(LOOKING);
    return outcomeFound(request, await lookFor(seek), begunMs);
  };
  const ask = (): void => {
    say(undefined);
    setState('asked');
  };
  return (
    <div class="act" ref={box}>
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
    </div>
  );
}
