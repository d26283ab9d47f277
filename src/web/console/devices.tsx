/** Lines and devices: how well they answer, what they said last, what to do; commissioning and pairing. */
import { useState } from 'preact/hooks';
import type { ConsoleView, DeviceView, LineView } from '../../edge/contracts/console-view.ts';
import { inWords } from '../../edge/contracts/plain-words.ts';
import { type Row, Rows } from '../kit/rows.tsx';
import { agoText, counted, countText, namesText, sentence, shareText, visible } from '../kit/words.ts';
import { useActing } from './acting.tsx';
import { Commission } from './commission.tsx';
import type { Live } from './live.ts';
import { Pair } from './pair.tsx';
import { Quality } from './quality.tsx';

const PAIRED_DRIVER = 'latchkey';

export function DevicesPage({ view, live }: { readonly view: ConsoleView; readonly live: Live }) {
  const devices = view.lines.flatMap((line) => line.devices);
  const found = devices.filter(({ state }) => state === 'found').length;
  return (
    <>
      <header class="page-head">
        <h1 tabIndex={-1}>Devices</h1>
        <p class="hint">
          {found} of {counted(devices.length, 'device')} answer
        </p>
      </header>
      {view.lines.length === 0 && (
        <p class="card hint">No line is set up. "latchkey probe" finds devices, "latchkey init" writes gateway.yaml.</p>
      )}
      <div class="lines">
        {view.lines.map((line) => (
          <Line key={line.port} line={line} view={view} live={live} />
        ))}
      </div>
      {view.compartments.length > 0 && <Commissioning view={view} />}
    </>
  );
}

function Line({ line, view, live }: { readonly line: LineView; readonly view: ConsoleView; readonly live: Live }) {
  const { port, state, reason, devices } = line;
  const isOpen = state === 'open';
  const remedy = view.findings.find(({ about, name }) => about === 'port' && name === port)?.remedy;
  return (
    <section class="card line" aria-label={`Line ${port}`}>
      <header class="line-head">
        <h2>{port}</h2>
        <span class={`badge ${isOpen ? 'good' : 'bad'}`}>{state}</span>
      </header>
      {!isOpen && (
        <p class="told bad">
          {sentence(reason)}
          {remedy !== undefined && <span class="remedy"> {sentence(remedy)}</span>}
        </p>
      )}
      <Quality line={line} />
      <ul class="devices">
        {devices.map((device) => (
          <li key={device.name}>
            <Device device={device} live={live} />
          </li>
        ))}
      </ul>
    </section>
  );
}

const STATE_TONES: Readonly<Record<DeviceView['state'], string>> = {
  found: 'good',
  unknown: 'unsure',
  lost: 'bad',
  faulted: 'bad',
};

function Device({ device, live }: { readonly device: DeviceView; readonly live: Live }) {
  const { mayAct } = useActing();
  const [isPairing, setPairing] = useState(false);
  const { name, driver, state, reason, remedy } = device;
  return (
    <article class="device" data-device={name}>
      <h3>
        {name} <span class="hint">{driver}</span>
      </h3>
      <span class={`badge ${STATE_TONES[state]}`}>{state}</span>
      {state !== 'found' && (
        <p class={`told ${STATE_TONES[state]}`}>
          {sentence(inWords(reason))}
          {remedy !== undefined && <span class="remedy"> {sentence(remedy)}</span>}
        </p>
      )}
      <Rows rows={rowsOf(device, live)} />
      {mayAct && driver === PAIRED_DRIVER && (
        <button type="button" class="button quiet" onClick={() => setPairing(true)}>
          Pair {name}
        </button>
      )}
      {isPairing && <Pair device={name} onClose={() => setPairing(false)} />}
    </article>
  );
}

function rowsOf({ lastAnswerAgoMs, polls, lastScan }: DeviceView, live: Live): Row[] {
  const since = live.nowMs - live.viewAtMs;
  return [
    ...(lastAnswerAgoMs === undefined ? [] : [{ label: 'last answer', value: agoText(lastAnswerAgoMs + since) }]),
    ...(polls === undefined ? [] : [{ label: 'polls', value: pollsText(polls) }]),
    ...(lastScan === undefined
      ? []
      : [
          {
            label: 'last scan',
            value: (
              <>
                <bdi class="mono">{visible(lastScan.text)}</bdi> {agoText(lastScan.agoMs + since)}
              </>
            ),
          },
        ]),
  ];
}

function pollsText({ asked, answered, silent, damaged }: NonNullable<DeviceView['polls']>): string {
  const share = asked === 0 ? '' : ` (${shareText(answered / asked)})`;
  return `${countText(answered)} of ${countText(asked)} answered${share}, ${countText(silent)} silent, ${countText(damaged)} damaged`;
}

function Commissioning({ view }: { readonly view: ConsoleView }) {
  const { mayAct } = useActing();
  const [walked, setWalked] = useState<readonly string[] | undefined>();
  const open = view.compartments.filter(({ commissioned }) => !commissioned).map(({ name }) => name);
  const done = view.compartments.length - open.length;
  return (
    <section class="card" aria-labelledby="commission-title">
      <h2 id="commission-title">Commissioning</h2>
      <p class="hint">
        A bit is a bit until a person moved the door: the gateway sees it closed, open and closed, and signs what its
        contact means. {done} of {counted(view.compartments.length, 'door')} commissioned.
      </p>
      {open.length > 0 && (
        <p class="told unsure">
          Not walked yet: {namesText(open)}. What their contacts mean, the settings say alone, or nobody.
        </p>
      )}
      {mayAct ? (
        <div class="buttons">
          {open.length > 0 && (
            <button type="button" class="button" onClick={() => setWalked(open)}>
              Commission {open.length === 1 ? open[0] : counted(open.length, 'door')}
            </button>
          )}
          <label class="again">
            {open.length > 0 ? 'or one of all' : 'Walk again'}
            <select
              value=""
              onChange={({ currentTarget }) => currentTarget.value !== '' && setWalked([currentTarget.value])}
            >
              <option value="">choose a door</option>
              {view.compartments.map(({ name }) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </div>
      ) : (
        <p class="hint">A technician commissions.</p>
      )}
      {walked !== undefined && <Commission compartments={walked} onClose={() => setWalked(undefined)} />}
    </section>
  );
}
