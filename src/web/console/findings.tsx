/** What is wrong and what one does about it; the worst first. */
import { useState } from 'preact/hooks';
import type { ConsoleView, Finding } from '../../edge/contracts/console-view.ts';
import { counted, sentence } from '../kit/words.ts';
import { Mark } from './icons.tsx';
import { hashOf, type Route } from './route.ts';

const SHOWN = 6;

export function Findings({
  view,
  silentSinceMs,
}: {
  readonly view: ConsoleView;
  readonly silentSinceMs: number | undefined;
}) {
  const [showsAll, setShowsAll] = useState(false);
  const problems = view.findings.filter(({ severity }) => severity === 'problem');
  const sorted = [...problems, ...view.findings.filter(({ severity }) => severity === 'notice')];
  const shown = showsAll ? sorted : sorted.slice(0, SHOWN);
  return (
    <section class="findings" aria-labelledby="findings-title">
      <h2 id="findings-title" class="unseen">
        Findings
      </h2>
      {problems.length === 0 && (
        <div class={`finding calm ${silentSinceMs === undefined ? 'good' : 'unsure'}`}>
          <Mark tone={silentSinceMs === undefined ? 'good' : 'unsure'} />
          <p class="finding-text">
            {silentSinceMs === undefined ? 'Everything works.' : 'Everything worked when the gateway was last heard.'}
          </p>
        </div>
      )}
      {sorted.length > 0 && (
        <ul>
          {shown.map((finding) => (
            <li key={`${finding.about} ${finding.name ?? ''} ${finding.text}`}>
              <FindingCard finding={finding} view={view} />
            </li>
          ))}
        </ul>
      )}
      {sorted.length > SHOWN && (
        <button type="button" class="link" onClick={() => setShowsAll(!showsAll)}>
          {showsAll ? 'Show fewer' : `Show ${counted(sorted.length - SHOWN, 'more finding', 'more findings')}`}
        </button>
      )}
    </section>
  );
}

function FindingCard({ finding, view }: { readonly finding: Finding; readonly view: ConsoleView }) {
  const { severity, text, remedy } = finding;
  const isProblem = severity === 'problem';
  const place = placeOf(finding, view);
  return (
    <article class={`finding ${isProblem ? 'bad' : 'unsure'}`} data-about={finding.about}>
      <Mark tone={isProblem ? 'bad' : 'unsure'} />
      <div>
        <p class="finding-text">
          <span class="unseen">{isProblem ? 'Problem: ' : 'Notice: '}</span>
          {sentence(text)}
        </p>
        <p class="remedy">
          <span class="do">What to do</span> {sentence(remedy)}
        </p>
      </div>
      {place !== undefined && (
        <a class="place" href={hashOf(place.route)}>
          {place.label}
        </a>
      )}
    </article>
  );
}

/** Where more is said about it. */
function placeOf(
  { about, name }: Finding,
  view: ConsoleView,
): { readonly route: Route; readonly label: string } | undefined {
  switch (about) {
    case 'compartment':
      return view.compartments.some((each) => each.name === name)
        ? { route: { page: 'site', name: name ?? '' }, label: name ?? '' }
        : undefined;
    case 'port':
    case 'device':
      return { route: { page: 'devices' }, label: name ?? 'Devices' };
    case 'journal':
    case 'disk':
    case 'broker':
    case 'receipts':
    case 'tpm':
    case 'clock':
    case 'enrolment':
      return { route: { page: 'health' }, label: 'Health' };
    case 'gateway':
    case 'opening':
      return undefined;
  }
}
