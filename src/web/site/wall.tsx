/** The locker wall: each compartment with what hands would do next, and everything else for the one that is chosen. */
import { useState } from 'preact/hooks';
import { ACTIONS, type ActionRequest, type CompartmentView } from '../../../simulators/ui/view.ts';
import type { Act } from './link.ts';

/** From here on lockers are drawn smaller. */
const MANY = 12;

interface Props {
  readonly compartments: readonly CompartmentView[];
  readonly act: Act;
}

export function Wall({ compartments, act }: Props) {
  const [chosen, setChosen] = useState('');
  const selected = compartments.find(({ name }) => name === chosen);
  return (
    <section class="wall-section" aria-labelledby="wall-title">
      <h2 id="wall-title">Lockers</h2>
      <ul class={compartments.length > MANY ? 'wall many' : 'wall'}>
        {compartments.map((compartment) => (
          <Locker
            key={compartment.name}
            compartment={compartment}
            isChosen={compartment.name === chosen}
            choose={() => setChosen(compartment.name === chosen ? '' : compartment.name)}
            act={act}
          />
        ))}
      </ul>
      {selected !== undefined && <Hands compartment={selected} act={act} />}
    </section>
  );
}

interface LockerProps {
  readonly compartment: CompartmentView;
  readonly isChosen: boolean;
  readonly choose: () => void;
  readonly act: Act;
}

function Locker({ compartment, isChosen, choose, act }: LockerProps) {
  const { name, door, item, failed, controlled, busy } = compartment;
  const next = nextOf(compartment);
  const classes = ['locker', door, isChosen ? 'chosen' : '', failed.length > 0 ? 'failed' : ''];
  return (
    <li class={classes.join(' ')} data-compartment={name} data-door={door} data-item={String(item)}>
      <div class="box" aria-hidden="true">
        {item && <Parcel />}
        <div class="leaf">
          <span class="plate">{name}</span>
          {controlled && <span class="mark">gateway only</span>}
          {item && <Parcel />}
          <span class="handle" />
        </div>
      </div>
      <h3>
        {name}
        <span class="says">{stateOf(compartment)}</span>
      </h3>
      <div class="locker-acts">
        <button
          type="button"
          class={next.request.do === 'open' ? 'button quiet' : 'button'}
          disabled={busy}
          onClick={() => act(next.request)}
        >
          {next.title}
          <span class="unseen"> at {name}</span>
        </button>
        <button type="button" class="button quiet" aria-expanded={isChosen} onClick={choose}>
          More
          <span class="unseen"> for {name}</span>
        </button>
      </div>
    </li>
  );
}

/** What somebody who stands before it would do. */
function nextOf({ name, door, item, controlled }: CompartmentView): { title: string; request: ActionRequest } {
  if (door === 'open') return { title: 'Shut', request: { do: 'shut', name } };
  if (controlled) return { title: 'Force', request: { do: 'open', name } };
  return item
    ? { title: 'Collect', request: { do: 'collect', name } }
    : { title: 'Deposit', request: { do: 'deposit', name } };
}

function stateOf({ door, item, failed, busy }: CompartmentView): string {
  const parts = [door, item ? 'something in it' : 'empty'];
  if (failed.length > 0) parts.push(`${failed.join(' and ')} sensor failed`);
  if (busy) parts.push('somebody is at it');
  return parts.join(', ');
}

function Hands({ compartment, act }: { readonly compartment: CompartmentView; readonly act: Act }) {
  const { name, board, channel, line, door, item, itemSensor, controlled, failed, parcel } = compartment;
  const isOpen = door === 'open';
  const Button = ({ request, title }: { readonly request: ActionRequest; readonly title?: string }) => (
    <button type="button" class="button quiet" onClick={() => act(request)}>
      {title ?? ACTIONS[request.do].title}
    </button>
  );
  return (
    <section class="card hand-panel" aria-labelledby="hands-title">
      <h3 id="hands-title">Hands at {name}</h3>
      <p class="hint">
        Channel {channel} of {board} on line {line}
        {controlled && '. It opens for the gateway alone: a hand that opens it forces it'}
        {parcel !== undefined && (
          <>
            . In it: <code>{parcel}</code>
          </>
        )}
      </p>
      <div class="acts">
        {isOpen ? (
          <>
            {item ? <Button request={{ do: 'take', name }} /> : <Button request={{ do: 'put', name }} />}
            <Button request={{ do: 'shut', name }} />
          </>
        ) : (
          <Button request={{ do: 'open', name }} title={controlled ? 'Force the door' : ACTIONS.open.title} />
        )}
      </div>
      <h4>Its sensors</h4>
      <div class="acts">
        {!failed.includes('door') && (
          <Button request={{ do: 'fail', name, sensor: 'door' }} title="Fail the door sensor" />
        )}
        {itemSensor && !failed.includes('item') && (
          <Button request={{ do: 'fail', name, sensor: 'item' }} title="Fail the item sensor" />
        )}
        {itemSensor && (
          <Button
            request={{ do: 'pretend', name, item: !item }}
            title={item ? 'Let it say: empty' : 'Let it say: something in it'}
          />
        )}
        {failed.length > 0 && <Button request={{ do: 'mend', name }} />}
      </div>
      <p class="hint">
        A failed sensor goes on saying what it says now.
        {!itemSensor && ' This board has no item sensors: only its doors are seen.'}
      </p>
    </section>
  );
}

function Parcel() {
  return (
    <svg class="parcel" viewBox="0 0 40 32" aria-hidden="true">
      <path class="side" d="M2 9 20 2l18 7v15l-18 7-18-7Z" />
      <path class="tape" d="M2 9l18 7 18-7M20 16v15M11 5.5l18 7v5" />
    </svg>
  );
}
