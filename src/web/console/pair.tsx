/** Pairing a device of the open wire: the code of its label, or another key in the place of the one in use. */
import { useRef } from 'preact/hooks';
import { Rows } from '../kit/rows.tsx';
import { said } from '../kit/words.ts';
import { Dialog } from './dialog.tsx';
import { useWalk } from './walking.ts';

export function Pair({ device, onClose }: { readonly device: string; readonly onClose: () => void }) {
  const { walking, begin } = useWalk('api/pair', `Pairing ${device}`);
  const code = useRef<HTMLInputElement>(null);
  const steps = walking.lines.flatMap((line) => ('step' in line ? [stepText(line.step)] : []));
  const last = walking.lines.at(-1);
  const done = last !== undefined && 'done' in last ? last.done : undefined;
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
      <ol class="steps" aria-live="polite">
        {steps.map((text, i) => (
          <li key={i}>{text}</li>
        ))}
      </ol>
      {walking.wrong !== undefined && (
        <p class="told bad" role="alert">
          {walking.wrong}
        </p>
      )}
      {done !== undefined && (
        <div role="status">
          <p class="told good">Paired. The gateway uses the new key already.</p>
          <Rows rows={Object.entries(done ?? {}).map(([label, value]) => ({ label, value: said(value) }))} />
          <button type="button" class="button" onClick={onClose}>
            Done
          </button>
        </div>
      )}
    </Dialog>
  );
}

function stepText(step: unknown): string {
  return said((step as { readonly step?: unknown } | null)?.step ?? step);
}
