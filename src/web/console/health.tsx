/** What the gateway stands on: broker, receipts, disk, TPM, clock, log; each with its findings. */
import type { ComponentChildren } from 'preact';
import type { ConsoleView, FindingAbout } from '../../edge/contracts/console-view.ts';
import { alarmInWords, PHASE_WORDS, ROOM_WORDS } from '../../edge/contracts/plain-words.ts';
import { type Row, Rows } from '../kit/rows.tsx';
import { agoText, bytesText, counted, countText, sentence, shareText, spanText } from '../kit/words.ts';
import { ActButton } from './act-button.tsx';
import { useActing } from './acting.tsx';
import type { Live } from './live.ts';
import { ASSURANCE, lifeText } from './sayings.ts';
import { ActPlace } from './told.tsx';

export function HealthPage({ view, live }: { readonly view: ConsoleView; readonly live: Live }) {
  const { gateway, version, upMs } = view;
  return (
    <>
      <header class="page-head">
        <h1 tabIndex={-1}>Health</h1>
        <p class="hint">
          {gateway}, version {version}, up for {spanText(upMs + live.nowMs - live.viewAtMs)}
        </p>
      </header>
      <div class="cards">
        <BrokerCard view={view} />
        <ReceiptsCard view={view} live={live} />
        <DiskCard view={view} />
        <TpmCard view={view} live={live} />
        <ClockCard view={view} live={live} />
        <LogCard view={view} />
        <Windows view={view} />
      </div>
    </>
  );
}

function Card({
  title,
  state,
  tone = 'good',
  view,
  about,
  children,
}: {
  readonly title: string;
  readonly state: string;
  readonly tone?: 'good' | 'bad' | 'unsure' | '';
  readonly view: ConsoleView;
  readonly about: readonly FindingAbout[];
  readonly children: ComponentChildren;
}) {
  const findings = view.findings.filter((each) => about.includes(each.about));
  const worst = findings.some(({ severity }) => severity === 'problem') ? 'bad' : tone;
  return (
    <section class="card health" aria-label={title}>
      <header class="line-head">
        <h2>{title}</h2>
        <span class={`badge ${worst}`}>{state}</span>
      </header>
      {findings.map(({ severity, text, remedy }) => (
        <p key={text} class={`told ${severity === 'problem' ? 'bad' : 'unsure'}`}>
          {sentence(text)} <span class="remedy">{sentence(remedy)}</span>
        </p>
      ))}
      {children}
    </section>
  );
}

function BrokerCard({ view }: { readonly view: ConsoleView }) {
  const { url, connected, phase, waiting, unsendable, alarms } = view.broker;
  const rows: Row[] = [
    { label: 'address', value: <span class="mono">{url}</span> },
    { label: 'now', value: PHASE_WORDS[phase] ?? phase },
    { label: 'waiting', value: counted(waiting, 'entry', 'entries') },
    ...(unsendable === 0 ? [] : [{ label: 'can never leave', value: counted(unsendable, 'entry', 'entries') }]),
    ...alarms.map((alarm, i) => ({ label: i === 0 ? 'alarms' : '', value: alarmInWords(alarm) })),
  ];
  return (
    <Card
      title="Broker"
      state={connected ? 'connected' : 'away'}
      tone={connected ? 'good' : 'bad'}
      view={view}
      about={['broker']}
    >
      <Rows rows={rows} />
      {!connected && (
        <p class="hint">Nothing is lost meanwhile: entries wait in the journal and leave by themselves.</p>
      )}
    </Card>
  );
}

function ReceiptsCard({ view, live }: { readonly view: ConsoleView; readonly live: Live }) {
  const { log, broker } = view;
  const open = log.entries - log.receipted;
  const age = broker.receiptAgeMs;
  return (
    <Card
      title="Receipts"
      state={open === 0 ? 'complete' : `${countText(open)} behind`}
      tone={open === 0 ? 'good' : ''}
      view={view}
      about={['receipts']}
    >
      <Meter label="Receipted" value={log.receipted} max={log.entries} />
      <Rows
        rows={[
          { label: 'receipted', value: `${countText(log.receipted)} of ${counted(log.entries, 'entry', 'entries')}` },
          { label: 'newest', value: age === undefined ? 'none yet' : agoText(age + live.nowMs - live.viewAtMs) },
        ]}
      />
      <p class="hint">A receipt is the signature of a store that it has the entry. Only then may this box forget it.</p>
    </Card>
  );
}

function DiskCard({ view }: { readonly view: ConsoleView }) {
  const { room, freeBytes, journalBytes, budgetBytes, atRiskEvents, atRiskMs } = view.disk;
  return (
    <Card
      title="Disk"
      state={`room: ${ROOM_WORDS[room] ?? room}`}
      tone={room === 'ok' ? 'good' : 'bad'}
      view={view}
      about={['disk', 'journal']}
    >
      {journalBytes !== undefined && budgetBytes !== undefined && (
        <Meter label="Of the journal's budget" value={journalBytes} max={budgetBytes} isBudget />
      )}
      <Rows
        rows={[
          ...(journalBytes === undefined
            ? []
            : [
                {
                  label: 'journal',
                  value: `${bytesText(journalBytes)}${budgetBytes === undefined ? '' : ` of ${bytesText(budgetBytes)}`}`,
                },
              ]),
          ...(freeBytes === undefined ? [] : [{ label: 'free', value: bytesText(freeBytes) }]),
          {
            label: 'a power cut now',
            value: atRiskEvents === 0 ? 'costs nothing' : `costs ${counted(atRiskEvents, 'event')}`,
          },
          ...(atRiskMs === undefined
            ? []
            : [
                {
                  label: 'and at worst',
                  value: `the events of the last ${atRiskMs < 1_000 ? `${atRiskMs} ms` : spanText(atRiskMs)}, and of one write`,
                },
              ]),
        ]}
      />
    </Card>
  );
}

const TPM_STATES: Readonly<Record<string, string>> = {
  idle: 'nothing to anchor',
  waiting: 'anchors soon',
  working: 'anchors now',
  away: 'away',
  stopped: 'stopped',
};

function TpmCard({ view, live }: { readonly view: ConsoleView; readonly live: Live }) {
  const { tpm, assurance } = view;
  const { name, text } = ASSURANCE[assurance];
  if (tpm === undefined) {
    return (
      <Card title="TPM" state="none" tone="" view={view} about={['tpm', 'enrolment']}>
        <p class="hint">
          <strong>{name}.</strong> {text}
        </p>
      </Card>
    );
  }
  const { target, state, reason, counter, anchors, lastAgoMs, lifeYears, lifeYearsAtLeast } = tpm;
  const rows: Row[] = [
    { label: 'at', value: <span class="mono">{target}</span> },
    ...(reason === undefined ? [] : [{ label: 'it says', value: reason }]),
    { label: 'anchors', value: countText(anchors) },
    ...(lastAgoMs === undefined ? [] : [{ label: 'newest', value: agoText(lastAgoMs + live.nowMs - live.viewAtMs) }]),
    ...(counter === undefined ? [] : [{ label: 'counter', value: countText(counter) }]),
    { label: 'its memory lasts', value: lifeText(lifeYears, lifeYearsAtLeast) },
  ];
  return (
    <Card
      title="TPM"
      state={TPM_STATES[state] ?? state}
      tone={state === 'away' ? 'bad' : 'good'}
      view={view}
      about={['tpm', 'enrolment']}
    >
      <Rows rows={rows} />
      <p class="hint">
        <strong>{name}.</strong> {text}
      </p>
    </Card>
  );
}

const CLOCKS: Readonly<Record<ConsoleView['clock']['src'], string>> = {
  none: 'not set',
  rtc: 'its own clock',
  ntp: 'network time',
  gps: 'GPS',
};

function ClockCard({ view, live }: { readonly view: ConsoleView; readonly live: Live }) {
  const { src, errMs } = view.clock;
  const off = Date.parse(view.at) - live.viewAtMs;
  return (
    <Card
      title="Clock"
      state={CLOCKS[src]}
      tone={src === 'none' || Math.abs(off) > CLOCK_OFF_MS ? 'unsure' : 'good'}
      view={view}
      about={['clock']}
    >
      <Rows
        rows={[
          { label: 'it shows', value: <span class="mono">{view.at}</span> },
          { label: 'error', value: errMs === undefined ? 'not known' : `at most ${countText(Math.ceil(errMs))} ms` },
        ]}
      />
      {Math.abs(off) > CLOCK_OFF_MS && (
        <p class="told unsure">
          It is {spanText(Math.abs(off))} {off < 0 ? 'behind' : 'ahead of'} the device that you look with.{' '}
          <span class="remedy">
            One of the two is wrong: look at a third clock. Events bear the time of the gateway; "latchkey doctor" looks
            at where it has it from.
          </span>
        </p>
      )}
      {src === 'none' && (
        <p class="hint">
          Events say so, and count for less in a dispute. Install and start chrony on the box, and let UDP port 123 out.
        </p>
      )}
    </Card>
  );
}

const CLOCK_OFF_MS = 60_000;

function LogCard({ view }: { readonly view: ConsoleView }) {
  const { origin, vkey, entries, signed, receipted, anchored, boot } = view.log;
  return (
    <Card title="Log" state={`start ${boot}`} tone="" view={view} about={[]}>
      <Rows
        rows={[
          { label: 'origin', value: <span class="mono">{origin}</span> },
          { label: 'its key', value: <span class="mono">{vkey}</span> },
          { label: 'durable', value: countText(entries) },
          { label: 'signed', value: countText(signed) },
          ...(anchored === undefined ? [] : [{ label: 'anchored', value: countText(anchored) }]),
          { label: 'receipted', value: countText(receipted) },
        ]}
      />
    </Card>
  );
}

function Windows({ view }: { readonly view: ConsoleView }) {
  const { mayAct } = useActing();
  const { windows } = view;
  return (
    <section class="card health" aria-label="Maintenance">
      <header class="line-head">
        <h2>Maintenance</h2>
        <span class={windows.length === 0 ? 'badge' : 'badge unsure'}>
          {windows.length === 0 ? 'none' : counted(windows.length, 'window')}
        </span>
      </header>
      <ActPlace name="Maintenance">
        {windows.map(({ id, by, compartments }) => (
          <div key={id} class="window">
            <p>
              <strong>{compartments.join(', ') || 'The whole site'}</strong> <span class="hint">by {by}</span>
            </p>
            {mayAct && (
              <ActButton
                request={{ verb: 'end_maintenance', id }}
                label="End"
                sure={{
                  text: `Custody counts again at ${compartments.join(', ') || 'the whole site'}.`,
                  yes: 'End maintenance',
                }}
                isQuiet
              />
            )}
          </div>
        ))}
      </ActPlace>
      {windows.length === 0 && (
        <p class="hint">
          What happens at a compartment counts as custody. Maintenance begins at its sheet, on the page Site.
        </p>
      )}
    </section>
  );
}

const HIGH = 0.9;

function Meter({
  label,
  value,
  max,
  isBudget = false,
}: {
  readonly label: string;
  readonly value: number;
  readonly max: number;
  /** That it is nearly full is no good sign. */
  readonly isBudget?: boolean;
}) {
  const share = max === 0 ? 1 : Math.min(1, value / max);
  const isHigh = isBudget && share > HIGH;
  return (
    <svg
      class={isHigh ? 'meter unsure' : 'meter'}
      viewBox="0 0 100 4"
      preserveAspectRatio="none"
      role="img"
      aria-label={`${label}: ${shareText(share)}`}
    >
      <rect class="rail" width={100} height={4} />
      <rect class="bar" width={Math.round(1_000 * share) / 10} height={4} />
    </svg>
  );
}
