/** What stands beside the wall: scanners to type or paste into, keypads to press, scales and position receivers. */
import { useState } from 'preact/hooks';
import {
  KEYS_MAX,
  type LineView,
  SCAN_TEXT_MAX,
  type SiteView,
  SYMBOLOGIES,
  type Symbology,
} from '../../../simulators/ui/view.ts';
import type { Act } from './link.ts';

export function Desk({ view, act }: { readonly view: SiteView; readonly act: Act }) {
  const devices = view.lines.filter(({ what }) => what !== 'boards');
  if (devices.length === 0) return null;
  return (
    <section class="desk" aria-labelledby="desk-title">
      <h2 id="desk-title">At the desk</h2>
      {devices.map((line) => (
        <div class="card device" key={line.name} data-device={line.name}>
          <h3>
            {line.name} <span class="kind">{KINDS[line.what]}</span>
          </h3>
          {(!line.plugged || !line.powered) && <p class="dead">{line.plugged ? 'without power' : 'unplugged'}</p>}
          {line.what === 'scanner' && <Scanner name={line.name} nextSerial={view.nextSerial} act={act} />}
          {line.what === 'keypad' && <Keypad line={line} act={act} />}
          {line.what === 'scale' && <Scale line={line} act={act} />}
          {line.what === 'position' && <Position name={line.name} act={act} />}
        </div>
      ))}
    </section>
  );
}

export const KINDS: Readonly<Record<LineView['what'], string>> = {
  boards: 'lock boards',
  scanner: 'scanner',
  keypad: 'keypad',
  scale: 'scale',
  position: 'position receiver',
};

interface ScannerProps {
  readonly name: string;
  readonly nextSerial: number;
  readonly act: Act;
}

function Scanner({ name, nextSerial, act }: ScannerProps) {
  const [text, setText] = useState('');
  const [symbology, setSymbology] = useState<Symbology>('code128');
  const scan = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (text !== '' && (await act({ do: 'scan', name, symbology, text }))) setText('');
  };
  return (
    <form class="stack" onSubmit={scan}>
      <div class="pair">
        <label>
          Type or paste a code
          <input
            type="text"
            class="mono"
            value={text}
            maxLength={SCAN_TEXT_MAX}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <label>
          as
          <select value={symbology} onChange={(event) => setSymbology(event.currentTarget.value as Symbology)}>
            {SYMBOLOGIES.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div class="acts">
        <button type="submit" class="button" disabled={text === ''}>
          Scan
        </button>
        <button
          type="button"
          class="button quiet"
          onClick={() => act({ do: 'scan', name, symbology: 'sscc', text: String(nextSerial) })}
        >
          Scan a new parcel
        </button>
        <button type="button" class="button quiet" onClick={() => act({ do: 'no_read', name })}>
          Read nothing
        </button>
      </div>
    </form>
  );
}

const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];
/** What the settings that the simulator writes tell the lamp. */
const LAMPS: Readonly<Record<string, { readonly text: string; readonly look: string }>> = {
  G: { text: 'Granted', look: 'chip good' },
  R: { text: 'Refused', look: 'chip bad' },
};

function Keypad({ line, act }: { readonly line: LineView; readonly act: Act }) {
  const [keys, setKeys] = useState('');
  const enter = async (): Promise<void> => {
    if (await act({ do: 'type', name: line.name, keys })) setKeys('');
  };
  const press = (key: string): void => {
    if (key === '#') void enter();
    else setKeys(key === '*' ? '' : (keys + key).slice(0, KEYS_MAX));
  };
  const told = line.told?.at(-1);
  const lamp = told === undefined ? undefined : (LAMPS[told] ?? { text: `Told “${told}”`, look: 'chip' });
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void enter();
      }}
    >
      <label>
        Keys
        <input
          type="text"
          class="mono"
          inputMode="numeric"
          value={keys}
          maxLength={KEYS_MAX}
          autocomplete="off"
          onInput={(event) => setKeys(event.currentTarget.value)}
        />
      </label>
      <fieldset class="keys">
        <legend class="unseen">Keys of {line.name}</legend>
        {KEYS.map((key) => (
          <button type="button" key={key} class="key-cap" aria-label={NAMES[key] ?? key} onClick={() => press(key)}>
            {key}
          </button>
        ))}
      </fieldset>
      <p class="lamp" aria-live="polite">
        {lamp === undefined ? (
          <span class="hint">The lamp was told nothing yet.</span>
        ) : (
          <span class={lamp.look}>{lamp.text}</span>
        )}
      </p>
    </form>
  );
}

const NAMES: Readonly<Record<string, string>> = { '*': 'clear', '#': 'enter' };
const LOADS = [0, 250, 1_250, 8_000];

function Scale({ line, act }: { readonly line: LineView; readonly act: Act }) {
  const [grams, setGrams] = useState('');
  const { name } = line;
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (grams !== '') void act({ do: 'weigh', name, grams: Number(grams) });
      }}
    >
      <p class="reading">
        <output>{line.grams ?? 0}</output> g
      </p>
      <div class="acts">
        {LOADS.map((load) => (
          <button type="button" class="button quiet" key={load} onClick={() => act({ do: 'weigh', name, grams: load })}>
            {load} g
          </button>
        ))}
      </div>
      <label>
        Grams
        <input
          type="text"
          inputMode="numeric"
          pattern="-?[0-9]{1,6}"
          value={grams}
          onInput={(event) => setGrams(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="button">
        Lay it on
      </button>
    </form>
  );
}

function Position({ name, act }: { readonly name: string; readonly act: Act }) {
  const [place, setPlace] = useState('48.1173 11.5167');
  const [lat = Number.NaN, lon = Number.NaN] = place
    .trim()
    .split(/[\s,]+/)
    .map(Number);
  const isPlace = Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (isPlace) void act({ do: 'move', name, lat, lon });
      }}
    >
      <label>
        Latitude and longitude, in degrees
        <input type="text" value={place} onInput={(event) => setPlace(event.currentTarget.value)} />
      </label>
      <div class="acts">
        <button type="submit" class="button" disabled={!isPlace}>
          Move it
        </button>
        <button type="button" class="button quiet" onClick={() => act({ do: 'lose_fix', name })}>
          Lose the fix
        </button>
      </div>
    </form>
  );
}
