/** The cables: where each is found, what goes wrong on it, and what somebody else could say on it. */
import { useState } from 'preact/hooks';
import { FAULT_WORDS, type FaultKind, LINE_FAULTS, type LineFault } from '../../../simulators/faults/kinds.ts';
import { ACTIONS, type LineView, type ProgramView } from '../../../simulators/ui/view.ts';
import { KINDS } from './desk.tsx';
import type { Act } from './link.ts';

interface Props {
  readonly lines: readonly LineView[];
  readonly gateway: ProgramView | undefined;
  readonly act: Act;
}

export function Lines({ lines, gateway, act }: Props) {
  return (
    <section aria-labelledby="lines-title">
      <h2 id="lines-title">Cables and faults</h2>
      <p class="hint power">
        Power here is that of what hangs on a line.{' '}
        {gateway === undefined
          ? 'The gateway is a process of yours: "kill -9" is its power cut, and "--with-gateway" puts a switch for it on this page.'
          : 'The gateway has a switch of its own, above: it ends as by a power cut (SIGKILL), with nothing said and nothing saved.'}
      </p>
      <div class="lines">
        {lines.map((line) => (
          <Line key={line.name} line={line} act={act} />
        ))}
      </div>
    </section>
  );
}

function Line({ line, act }: { readonly line: LineView; readonly act: Act }) {
  const { name, what, plugged, powered, asked, said, boards } = line;
  return (
    <article class="card line" data-line={name} data-plugged={String(plugged)} data-powered={String(powered)}>
      <h3>
        {name} <span class="kind">{KINDS[what]}</span>
      </h3>
      <p class="address mono">{line.address}</p>
      <p class="hint">
        {[...boards, what === 'boards' ? `asked ${asked} times a second` : `spoke ${said} times`].join(' · ')}
      </p>
      <p class="chips">
        <span class={plugged ? 'chip good' : 'chip bad'}>{plugged ? 'plugged in' : 'cable pulled'}</span>
        <span class={powered ? 'chip good' : 'chip bad'}>{powered ? 'has power' : 'no power'}</span>
      </p>
      <div class="acts">
        <button type="button" class="button quiet" onClick={() => act({ do: plugged ? 'unplug' : 'plug', name })}>
          {plugged ? ACTIONS.unplug.title : ACTIONS.plug.title}
          <span class="unseen"> of {name}</span>
        </button>
        <button type="button" class="button quiet" onClick={() => act({ do: 'power', name, on: !powered })}>
          {powered ? 'Cut the power' : 'Restore the power'}
          <span class="unseen"> of {name}</span>
        </button>
        {what === 'boards' && (
          <button type="button" class="button quiet" onClick={() => act({ do: 'spoof', name })}>
            Spoof “all doors open”
          </button>
        )}
      </div>
      <details>
        <summary>
          More faults<span class="unseen"> of {name}</span>
        </summary>
        <div class="stack">
          <NextFault line={line} act={act} />
          <Frame name={name} act={act} />
        </div>
      </details>
      <Counts faults={line.faults} />
    </article>
  );
}

function NextFault({ line, act }: { readonly line: LineView; readonly act: Act }) {
  const [kind, setKind] = useState<LineFault>('noise');
  return (
    <div class="pair">
      <label>
        What is said next suffers
        <select value={kind} onChange={(event) => setKind(event.currentTarget.value as LineFault)}>
          {LINE_FAULTS.map((each) => (
            <option key={each} value={each}>
              {FAULT_WORDS[each]}
            </option>
          ))}
        </select>
      </label>
      <button type="button" class="button quiet" onClick={() => act({ do: 'fault', name: line.name, kind })}>
        {line.armed.length === 0 ? 'Let it happen' : `waits: ${line.armed.map((each) => FAULT_WORDS[each]).join(', ')}`}
      </button>
    </div>
  );
}

function Frame({ name, act }: { readonly name: string; readonly act: Act }) {
  const [frame, setFrame] = useState('');
  return (
    <form
      class="pair"
      onSubmit={(event) => {
        event.preventDefault();
        if (frame !== '') void act({ do: 'spoof', name, frame });
      }}
    >
      <label>
        A frame of nobody, in hex
        <input
          type="text"
          class="mono"
          value={frame}
          placeholder="02 00 35 FE FF 00 00 03 37"
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => setFrame(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="button quiet" disabled={frame === ''}>
        Spoof it
      </button>
    </form>
  );
}

function Counts({ faults }: { readonly faults: LineView['faults'] }) {
  const happened = Object.entries(faults) as readonly (readonly [FaultKind, number])[];
  if (happened.length === 0) return null;
  const texts = happened.map(([kind, count]) => `${FAULT_WORDS[kind]} (${count})`);
  return <p class="hint counts">Happened: {texts.join('; ')}</p>;
}
