/** One compartment: what is known of it, what was seen there, and what the person may do. */
import { useEffect, useState } from 'preact/hooks';
import type { CompartmentView, ConsoleView, EntryView } from '../../edge/contracts/console-view.ts';
import { type Row, Rows } from '../kit/rows.tsx';
import { agoText, countText, sentence, visible } from '../kit/words.ts';
import { ActButton } from './act-button.tsx';
import { useActing } from './acting.tsx';
import { journal } from './api.ts';
import { Dialog } from './dialog.tsx';
import { eventTitle } from './event-words.ts';
import { Door } from './icons.tsx';
import { type Live, merged } from './live.ts';
import { hashOf } from './route.ts';
import { DOOR_WORDS, fillOf, gramsText, lookOf } from './sayings.ts';
import { Entries } from './stream.tsx';
import { ActPlace } from './told.tsx';

const EVENTS_SHOWN = 12;
const LOOKED_AT = 200;
const MINUTES = [15, 60, 240] as const;

export function Sheet({
  compartment,
  view,
  live,
  onClose,
}: {
  readonly compartment: CompartmentView;
  readonly view: ConsoleView;
  readonly live: Live;
  readonly onClose: () => void;
}) {
  const { name, doorWhy } = compartment;
  const look = lookOf(compartment, view);
  const fill = fillOf(compartment);
  const findings = view.findings.filter((each) => each.about === 'compartment' && each.name === name);
  return (
    <Dialog title={`Compartment ${name}`} kind="sheet" onClose={onClose}>
      <div class={`sheet-door ${look}`}>
        <Door look={look} isFull={fill !== undefined && fill !== 'empty'} />
        <div>
          <p class="sheet-state">{DOOR_WORDS[look]}</p>
          {doorWhy !== undefined && <p class="hint">{doorWhy}</p>}
        </div>
      </div>
      {findings.map(({ severity, text, remedy }) => (
        <p key={text} class={`told ${severity === 'problem' ? 'bad' : 'unsure'}`}>
          {sentence(text)} <span class="remedy">{sentence(remedy)}</span>
        </p>
      ))}
      <Acts compartment={compartment} view={view} />
      <Rows rows={rowsOf(compartment, live)} />
      <h3>What happened here</h3>
      <Recent name={name} live={live} />
    </Dialog>
  );
}

function rowsOf({ device, channel, held, grams, lastRef, lastEvent, ...rest }: CompartmentView, live: Live): Row[] {
  const fill = fillOf({ device, channel, held, ...rest });
  const since = live.nowMs - live.viewAtMs;
  return [
    { label: 'inside', value: fill ?? 'no sensor says' },
    ...(grams === undefined ? [] : [{ label: 'weight', value: gramsText(grams) }]),
    { label: 'parcels held', value: countText(held) },
    ...(lastRef === undefined ? [] : [{ label: 'last parcel', value: <bdi class="mono">{visible(lastRef)}</bdi> }]),
    ...(lastEvent === undefined
      ? []
      : [{ label: 'last event', value: `${eventTitle(lastEvent.type)}, ${agoText(lastEvent.agoMs + since)}` }]),
    { label: 'lock', value: `${device}, channel ${channel}` },
    { label: 'commissioned', value: rest.commissioned ? 'yes, its contact is signed' : 'no' },
    ...(rest.visited ? [{ label: 'now', value: 'somebody is at it' }] : []),
  ];
}

function Acts({ compartment, view }: { readonly compartment: CompartmentView; readonly view: ConsoleView }) {
  const { mayAct } = useActing();
  const [minutes, setMinutes] = useState<number>(MINUTES[1]);
  const { name, commissioned } = compartment;
  if (!mayAct) return <p class="hint">You look as a viewer: nothing can be done from here.</p>;
  const windows = view.windows.filter(({ compartments }) => compartments.length === 0 || compartments.includes(name));
  return (
    <div class="sheet-acts">
      <ActPlace name={`Compartment ${name}`}>
        <ActButton
          request={{ verb: 'open', compartment: name }}
          isPossible={lookOf(compartment, view) !== 'open'}
          label={`Open ${name}`}
          sure={{ text: `The door of ${name} opens at once. The journal names you.`, yes: `Open ${name} now` }}
        />
        {!commissioned && (
          <p class="told unsure">
            Nobody has walked this door yet: what its contact means is not signed.{' '}
            <a href={hashOf({ page: 'devices' })}>Commission it</a>
          </p>
        )}
        {windows.length > 0 && (
          <p class="hint">
            In maintenance, by {windows.map(({ by }) => by).join(' and ')}: what happens here is no custody.
          </p>
        )}
        {windows.map(({ id, by, compartments }) => (
          <ActButton
            key={id}
            request={{ verb: 'end_maintenance', id }}
            label="End maintenance"
            sure={{
              text: `The window of ${by} over ${compartments.join(', ') || 'the whole site'} ends, and custody counts again.`,
              yes: 'End maintenance',
            }}
            isQuiet
          />
        ))}
        {windows.length === 0 && (
          <div class="maintain">
            <label>
              Maintenance for
              <select value={minutes} onChange={({ currentTarget }) => setMinutes(Number(currentTarget.value))}>
                {MINUTES.map((each) => (
                  <option key={each} value={each}>
                    {each < 60 ? `${each} minutes` : `${each / 60} ${each === 60 ? 'hour' : 'hours'}`}
                  </option>
                ))}
              </select>
            </label>
            <ActButton
              key={minutes}
              request={{ verb: 'maintain', compartments: [name], minutes }}
              label="Begin"
              sure={{
                text: `What happens at ${name} counts as maintenance until then, and not as custody.`,
                yes: 'Begin maintenance',
              }}
              isQuiet
            />
          </div>
        )}
      </ActPlace>
    </div>
  );
}

/** Of the newest entries of the log, those about it; and whatever comes while the sheet is open. */
function Recent({ name, live }: { readonly name: string; readonly live: Live }) {
  const [older, setOlder] = useState<readonly EntryView[]>([]);
  useEffect(() => {
    let isOver = false;
    journal({ limit: LOOKED_AT }).then(
      ({ entries }) => !isOver && setOlder(entries),
      // The stream has the newest of them.
      () => undefined,
    );
    return () => {
      isOver = true;
    };
  }, []);
  const all = merged(older, live.entries).filter(({ compartment }) => compartment === name);
  return (
    <Entries
      entries={all.slice(0, EVENTS_SHOWN)}
      isOfOnePlace
      live={live}
      none={`Nothing among the newest ${LOOKED_AT} entries of this log.`}
    />
  );
}
