/** The site as it stands: findings, the wall of doors, and what happens at this moment beside it. */
import type { ConsoleView } from '../../edge/contracts/console-view.ts';
import { counted } from '../kit/words.ts';
import { ActButton } from './act-button.tsx';
import { useActing } from './acting.tsx';
import { codeWords } from './event-words.ts';
import { Findings } from './findings.tsx';
import type { Live } from './live.ts';
import { goTo } from './route.ts';
import { Sheet } from './sheet.tsx';
import { Stream } from './stream.tsx';
import { ActPlace } from './told.tsx';
import { Wall } from './wall.tsx';

export function SitePage({
  view,
  live,
  name,
}: {
  readonly view: ConsoleView;
  readonly live: Live;
  readonly name: string | undefined;
}) {
  const opened = view.compartments.find((each) => each.name === name);
  return (
    <>
      <header class="page-head">
        <h1 tabIndex={-1}>Site</h1>
        <Figures view={view} />
      </header>
      <Findings view={view} silentSinceMs={live.silentSinceMs} />
      <div class="site">
        <div class="site-wall">
          <Wall view={view} />
          <SiteActs view={view} />
        </div>
        <Stream live={live} />
      </div>
      {opened !== undefined && (
        // Another compartment is another sheet: nothing that was asked of one is asked of the other.
        <Sheet key={opened.name} compartment={opened} view={view} live={live} onClose={() => goTo({ page: 'site' })} />
      )}
    </>
  );
}

function Figures({ view: { compartments } }: { readonly view: ConsoleView }) {
  const count = (wanted: (each: ConsoleView['compartments'][number]) => boolean): number =>
    compartments.filter(wanted).length;
  const unknown = count(({ door }) => door === 'unknown');
  const figures = [
    counted(compartments.length, 'door'),
    `${count(({ door }) => door === 'shut')} shut`,
    `${count(({ door }) => door === 'open')} open`,
    ...(unknown === 0 ? [] : [`${unknown} unknown`]),
    `${count(({ occupied, held }) => occupied === true || held > 0)} in use`,
  ];
  return (
    <ul class="figures" aria-label="The doors in numbers">
      {figures.map((text) => (
        <li key={text}>{text}</li>
      ))}
    </ul>
  );
}

function SiteActs({ view }: { readonly view: ConsoleView }) {
  const { session, mayAct } = useActing();
  const { stopped } = view.opening;
  if (!mayAct) return <p class="hint">A viewer looks. Whoever signs in as a technician opens doors and maintains.</p>;
  return (
    <section class="card acts" aria-labelledby="acts-title">
      <h2 id="acts-title">All doors</h2>
      {stopped !== undefined && (
        <p class="told unsure">
          Openings are stopped by {stopped.by}
          {stopped.reason === '' ? '' : ` (${codeWords(stopped.reason) ?? stopped.reason})`}.
        </p>
      )}
      <ActPlace name="All doors">
        <div class="act-row">
          {stopped === undefined && (
            <ActButton
              request={{ verb: 'stop_pick' }}
              label="Stop openings"
              sure={{
                text: 'No door is opened any more, by nobody, until an administrator resumes. Shut doors stay shut.',
                yes: 'Stop all openings',
              }}
              isQuiet
            />
          )}
          {stopped !== undefined && session.role === 'administrator' && (
            <ActButton
              request={{ verb: 'resume' }}
              label="Resume openings"
              sure={{ text: 'Doors may be opened again, by whoever may.', yes: 'Resume openings' }}
            />
          )}
          {stopped !== undefined && session.role !== 'administrator' && (
            <p class="hint">An administrator resumes them.</p>
          )}
          <ActButton
            request={{ verb: 'recount' }}
            label="Recount"
            sure={{
              text: 'The gateway looks at each compartment anew and signs what it finds in the journal.',
              yes: 'Recount all compartments',
            }}
            isQuiet
          />
        </div>
      </ActPlace>
    </section>
  );
}
