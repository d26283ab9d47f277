/**
 * The commissioning walk, in words for somebody who stands before the wall with a phone: shut, open, shut, and what was
 * seen. The gateway looks and signs; nothing is opened from here.
 */
import { useEffect, useRef } from 'preact/hooks';
import type { WalkLine } from '../../edge/contracts/console-view.ts';
import { counted } from '../kit/words.ts';
import { Dialog } from './dialog.tsx';
import { Mark } from './icons.tsx';
import { foundText, useWalk } from './walking.ts';

const STEPS: Readonly<Record<string, { readonly title: string; readonly text: string }>> = {
  looking: { title: 'Hands off', text: 'All doors shut, nobody touches one. The gateway looks at every channel.' },
  shut: {
    title: 'Shut all doors',
    text: 'One of this board reads otherwise than the others. Shut this one and all of them.',
  },
  open: { title: 'Open this door', text: 'This one, and no other. With its key, or by hand.' },
  close: { title: 'Now shut it', text: 'Until it latches.' },
};

const VERDICTS: Readonly<Record<string, string>> = {
  commissioned: 'Commissioned: it was seen closed, open and closed, and signed.',
  other_channel:
    'Another channel moved than the settings name. The wires are swapped, or the settings are: correct one of them.',
  unlike_neighbours:
    'It reads the other way round than all other doors of its board, or of its kind. If it stood shut at the beginning, walk it with "latchkey commission --accept-unlike".',
  not_all_shut:
    'Not all doors of its board are shut, or one is not wired. Shut them all and walk it again; if they are wired in different ways, use "latchkey commission --accept-unlike".',
  board_away: 'Its board does not answer: look at its power and its line.',
  no_change: 'Nothing moved. The door was not opened, or no feedback is wired: "closed" and "not wired" read alike.',
  several_moved: 'Several channels moved. Was another door touched? Otherwise look for joined wires.',
  restless: 'Something moves by itself. Look for a loose contact, or a door that does not latch.',
  not_closed: 'It was not seen to shut again. Shut it until it latches, and walk it again.',
};

interface Told {
  readonly compartment?: string;
  readonly step?: string;
  readonly verdict?: string;
  readonly polarity?: string;
  readonly contradictsSettings?: boolean;
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
            <strong>{compartments.join(', ')}</strong>. Shut all doors first.
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
          {verdicts.map(({ compartment, verdict = '', polarity, contradictsSettings }) => (
            <li key={`${compartment} ${verdict}`} class={verdict === 'commissioned' ? 'verdict good' : 'verdict bad'}>
              <Mark tone={verdict === 'commissioned' ? 'good' : 'bad'} />
              <p>
                <strong>{compartment}</strong> {VERDICTS[verdict] ?? verdict}
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
