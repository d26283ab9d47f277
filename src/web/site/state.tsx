/** Whether anybody looks at the site, whether what he sees can leave, and who keeps it; each with its switch. */
import { ACTIONS, type ActionName, type ProgramView, type SiteView } from '../../../simulators/ui/view.ts';
import type { Act } from './link.ts';

type Switch = Extract<ActionName, `${'stop' | 'start' | 'cut'}_${'broker' | 'consumer' | 'gateway'}`>;

interface Chip {
  readonly name: 'gateway' | 'broker' | 'consumer';
  readonly tone: 'good' | 'bad' | 'unsure';
  readonly text: string;
  /** Changes all the time, so that it is never read out. */
  readonly count?: string;
  /** Absent where it is not the site's to end. */
  readonly press?: Switch;
}

export function State({ view, act }: { readonly view: SiteView; readonly act: Act }) {
  const asked = view.lines.reduce((sum, line) => sum + line.asked, 0);
  const chips = [gatewayChip(view.gateway, asked > 0), brokerChip(view.broker), consumerChip(view.consumer)];
  const shown = chips.flatMap((chip) => (chip === undefined ? [] : [chip]));
  return (
    <>
      <ul class="state" data-gateway={asked > 0 ? 'asks' : 'silent'}>
        {shown.map(({ name, tone, text, count, press }) => (
          <li key={name} class={`chip ${tone}`} data-part={name} data-state={stateOf(view, name)}>
            <span>
              {text}
              {count !== undefined && ` · ${count}`}
            </span>
            {press !== undefined && (
              <button type="button" class="small" onClick={() => act({ do: press })}>
                {ACTIONS[press].title}
                {name === 'gateway' && <span class="unseen"> (gateway)</span>}
              </button>
            )}
          </li>
        ))}
      </ul>
      <p class="unseen" role="status">
        {shown.map(({ text }) => `${text}.`).join(' ')}
      </p>
    </>
  );
}

function stateOf({ broker, consumer, gateway }: SiteView, name: Chip['name']): string | undefined {
  if (name === 'broker') return broker?.running === true ? 'running' : 'stopped';
  return (name === 'consumer' ? consumer : gateway)?.state;
}

function gatewayChip(gateway: ProgramView | undefined, isAsking: boolean): Chip {
  const name = 'gateway';
  if (gateway === undefined) {
    return isAsking
      ? { name, tone: 'good', text: 'A gateway asks the boards' }
      : { name, tone: 'unsure', text: 'No gateway asks: start "latchkey run"' };
  }
  switch (gateway.state) {
    case 'running':
      // Nobody may be asked where every line is without its cable.
      return { name, tone: 'good', text: 'The gateway runs', press: 'cut_gateway' };
    case 'starting':
      return { name, tone: 'unsure', text: 'The gateway starts', press: 'cut_gateway' };
    default:
      return { name, tone: 'bad', text: endOf('The gateway', 'has no power', gateway), press: 'start_gateway' };
  }
}

function brokerChip(broker: SiteView['broker']): Chip | undefined {
  if (broker === undefined) return undefined;
  const { running, messages } = broker;
  const count = `${messages} messages`;
  return running
    ? { name: 'broker', tone: 'good', text: 'Broker runs', count, press: 'stop_broker' }
    : { name: 'broker', tone: 'bad', text: 'Broker is stopped', press: 'start_broker' };
}

function consumerChip(consumer: ProgramView | undefined): Chip | undefined {
  if (consumer === undefined) return undefined;
  const name = 'consumer';
  switch (consumer.state) {
    case 'running':
      return { name, tone: 'good', text: 'Consumer runs', press: 'stop_consumer' };
    case 'starting':
      return { name, tone: 'unsure', text: 'Consumer starts', press: 'stop_consumer' };
    default:
      return { name, tone: 'bad', text: endOf('Consumer', 'is stopped', consumer), press: 'start_consumer' };
  }
}

function endOf(who: string, how: string, { state, why }: ProgramView): string {
  return state === 'failed' ? `${who} ended by itself: ${why ?? 'nobody knows why'}` : `${who} ${how}`;
}
