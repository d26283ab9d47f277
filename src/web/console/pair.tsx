/** Pairing a device of the open wire: the code of its label, or another key in the place of the one in use. */
import { useEffect, useRef } from 'preact/hooks';
import { Rows } from '../kit/rows.tsx';
import { said } from '../kit/words.ts';
import { Dialog } from './dialog.tsx';
import { foundText, useWalk } from './walking.ts';

const LABELS: Readonly<Record<string, string>> = {
  device: 'device',
  identity: 'says that it is',
  key: 'number of its key',
  boot: 'its start',
};

export function Pair({ device, onClose }: { readonly device: string; readonly onClose: () => void }) {
  const { walking, begin } = useWalk('api/pair', `Pairing ${device}`, () => device);
  const code = useRef<HTMLInputElement>(null);
  const steps = walking.lines.flatMap((line) => ('step' in line ? [stepText(line.step)] : []));
  const last = walking.lines.at(-1);
  const done = last !== undefined && 'done' in last ? last.done : undefined;
  const here = useRef<HTMLOListElement>(null);
  const end = useRef<HTMLButtonElement>(null);
  // The button that was pressed is gone.
  useEffect(() => {
    if (walking.state === 'walking') here.current?.focus();
    else if (walking.state === 'over') (end.current ?? code.current)?.focus();
  }, [walking.state]);
  const submit = (event: Event): void => {
    event.preventDefault();
    const text = code.current?.value.trim() ?? '';
    begin({ device, ...(text !== '' && { code: text }) });
  };
  return (
    <Dialog title={`Pair ${device}`} kind="sheet" onClose={onClose}>
      {walking.state !== 'walking' && done === undefined && (
        <form class="factor" onSubmit={submit}>
          <p>
            The device gets a key of this gateway. Type the code of its label (42 letters and digits, inside its
            housing). With no code, a device that is paired already gets another key.
          </p>
          <label>
            Pairing code
            <input
              ref={code}
              data-first
              type="text"
              name="code"
              autocomplete="off"
              autocapitalize="characters"
              maxLength={256}
            />
          </label>
          <div class="buttons">
            <button class="button" type="submit">
              Pair
            </button>
            <button class="button quiet" type="button" onClick={onClose}>
              Cancel
            </button>
          </div>
        </form>
      )}
      <ol ref={here} tabIndex={-1} class="steps" aria-live="polite" aria-label="What was done so far">
        {steps.map((text, i) => (
          <li key={i}>{text}</li>
        ))}
      </ol>
      <div role="alert">{walking.wrong !== undefined && <p class="told bad">{walking.wrong}</p>}</div>
      <div role="status">
        {walking.found !== undefined && <p class="told unsure">{foundText(walking.found, device, 'paired')}</p>}
        {done !== undefined && <p class="told good">Paired. The gateway uses the new key already.</p>}
      </div>
      {done !== undefined && (
        <>
          <Rows
            rows={Object.entries(done ?? {}).map(([name, value]) => ({
              label: LABELS[name] ?? name,
              value: said(value),
            }))}
          />
          <button ref={end} type="button" class="button" onClick={onClose}>
            Done
          </button>
        </>
      )}
    </Dialog>
  );
}

function stepText(step: unknown): string {
  return said((step as { readonly step?: unknown } | null)?.step ?? step);
}
