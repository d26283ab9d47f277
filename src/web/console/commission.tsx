/**
 * The commissioning walk, in words for somebody who stands before the wall with a phone: shut, open, shut, and what was
 * seen. The gateway looks and signs; nothing is opened from here.
 */
import { useEffect, useRef } from 'preact/hooks';
import type { WalkLine } from '../../edge/contracts/console-view.ts';
import { counted, namesText } from '../kit/words.ts';
import { Dialog } from './dialog.tsx';
import { Mark } from './icons.tsx';
import { otherWords, STEPS, VERDICTS } from './walk-words.ts';
import { foundText, useWalk } from './walking.ts';

interface Told {
  readonly compartment?: string;
  readonly step?: string;
  readonly verdict?: string;
  readonly polarity?: string;
  readonly contradictsSettings?: boolean;
  readonly found?: { readonly device: string; readonly channel: number };
  readonly foundIs?: string;
}

export function Commission({
  compartments,
  onClose,
}: {
  readonly compartments: readonly string[];
  readonly onClose: () => void;
}) {
  const { walking, begin } = useWalk('api/commission', 'Commissioning', (lines) => doorOf(lines, compartments));
  const told = walking.lines.flatMap(toldOf);
  const verdicts = told.filter(({ verdict }) => verdict !== undefined);
  const now = walking.state === 'walking' ? told.at(-1) : undefined;
  const step = now?.step === undefined ? undefined : STEPS[now.step];
  const current = now?.compartment ?? (compartments.length === 1 ? compartments[0] : undefined);
  const good = verdicts.filter(({ verdict }) => verdict === 'commissioned').length;
  const here = useRef<HTMLDivElement>(null);
  const end = useRef<HTMLButtonElement>(null);
  // The button that was pressed is gone.
  useEffect(() => {
    if (walking.state === 'walking') here.current?.focus();
    else if (walking.state === 'over') end.current?.focus();
  }, [walking.state]);
  return (
    <Dialog title="Commissioning" kind="sheet" onClose={onClose}>
      {walking.state === 'idle' && (
        <>
          <p>
            You will be asked to open and shut{' '}
            {compartments.length === 1 ? 'one door' : `${compartments.length} doors, one after the other`}:{' '}
            <strong>{namesText(compartments)}</strong>. Shut all doors first.
          </p>
          <button type="button" class="button" onClick={() => begin({ compartments })}>
            All doors are shut, begin
          </button>
        </>
      )}
      <div ref={here} tabIndex={-1} aria-live="assertive" class="walk-now">
        {walking.state === 'walking' && (
          <>
            {current !== undefined && <p class="walk-name">{current}</p>}
            <p class="walk-step">{step?.title ?? 'Asking the gateway…'}</p>
            {step !== undefined && <p>{step.text}</p>}
          </>
        )}
      </div>
      {verdicts.length > 0 && (
        <ul class="verdicts">
          {verdicts.map(({ compartment, verdict = '', polarity, contradictsSettings, found, foundIs }) => (
            <li key={`${compartment} ${verdict}`} class={verdict === 'commissioned' ? 'verdict good' : 'verdict bad'}>
              <Mark tone={verdict === 'commissioned' ? 'good' : 'bad'} />
              <p>
                <strong>{compartment}</strong> {VERDICTS[verdict] ?? verdict}
                {verdict === 'other_channel' && otherWords(found, foundIs)}
                {contradictsSettings === true && (
                  <span class="remedy">
                    {' '}
                    The settings do not say so yet: put <code>polarity: {polarity}</code> into gateway.yaml.
                  </span>
                )}
              </p>
            </li>
          ))}
        </ul>
      )}
      <div role="status">
        {walking.state === 'over' && walking.found === undefined && (
          <p class={`told ${walking.wrong !== undefined || good < verdicts.length ? 'bad' : 'good'}`}>
            {walking.wrong ?? `${good} of ${counted(verdicts.length, 'door')} commissioned.`}
          </p>
        )}
        {walking.found !== undefined && (
          <p class="told unsure">
            {foundText(walking.found, doorOf(walking.lines, compartments) ?? 'the door', 'commissioned')}
          </p>
        )}
      </div>
      {walking.state === 'over' && (
        <div class="buttons">
          <button ref={end} type="button" class="button" onClick={onClose}>
            Done
          </button>
          <button type="button" class="button quiet" onClick={() => begin({ compartments })}>
            Walk again
          </button>
        </div>
      )}
    </Dialog>
  );
}

/** The door that the walk was at: the next one after the newest verdict. */
function doorOf(lines: readonly WalkLine[], compartments: readonly string[]): string | undefined {
  const last = lines.flatMap(toldOf).at(-1);
  if (last?.verdict === undefined) return last?.compartment ?? compartments[0];
  return compartments[compartments.indexOf(last.compartment ?? '') + 1] ?? last.compartment;
}

/** Steps name what to do, or what was seen of a door at the end. */
function toldOf(line: WalkLine): readonly Told[] {
  if (!('step' in line) || typeof line.step !== 'object' || line.step === null) return [];
  return [line.step as Told];
}
