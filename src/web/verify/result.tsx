/** The answer: how far it is, what was wrong with what was given, or the verdict and all that stands behind it. */
import type { Verdict } from '../../evidence/verify/verdict.ts';
import { Decisions } from './decisions.tsx';
import { LogSection } from './log-section.tsx';
import type { Told } from './protocol.ts';
import type { View } from './view-types.ts';

export function Result({ told, hasFile }: { readonly told: Told | undefined; readonly hasFile: boolean }) {
  return (
    <>
      <div class="result" aria-live="polite" aria-busy={told?.kind === 'progress'}>
        {told?.kind === 'progress' && <Progress done={told.doneBytes} total={told.totalBytes} />}
        {told?.kind === 'refused' && <Refused title={told.title} problems={told.problems} />}
        {told?.kind === 'judged' && <VerdictCard view={told.view} />}
        {!hasFile && <p class="empty">No file is chosen yet. The verdict and its proof will stand here.</p>}
      </div>
      {told?.kind === 'judged' && <Proof view={told.view} verdict={told.verdict} />}
    </>
  );
}

function Progress({ done, total }: { readonly done: number; readonly total: number }) {
  const percent = total === 0 ? 0 : Math.floor((100 * done) / total);
  return (
    <div class="card progress">
      <label for="progress">Verifying, {percent} %</label>
      <progress id="progress" max={100} value={percent} />
    </div>
  );
}

function Refused({ title, problems }: { readonly title: string; readonly problems: readonly string[] }) {
  return (
    <div class="card verdict unsure" role="alert">
      <h2>{title}</h2>
      <ul>
        {problems.map((problem) => (
          <li key={problem}>{problem}</li>
        ))}
      </ul>
    </div>
  );
}

const TONES = { verified: 'good', refuted: 'bad', cannot_tell: 'unsure' } as const;
const MARKS = {
  verified: 'M5 12.5l4.5 4.5L19 7.5',
  refuted: 'M6.5 6.5l11 11M17.5 6.5l-11 11',
  cannot_tell: 'M9 9a3 3 0 1 1 4.2 2.8c-.9.4-1.2 1-1.2 2v.4M12 17.6v.2',
} as const;

function VerdictCard({ view }: { readonly view: View }) {
  const { outcome, headline, summary, reason, advice, file, question, sealed } = view;
  return (
    <div class={`card verdict ${TONES[outcome]}`} data-outcome={outcome}>
      <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
        <path d={MARKS[outcome]} />
      </svg>
      <div>
        <h2>{headline}</h2>
        <p class="summary">{summary}</p>
        {reason !== undefined && (
          <p class="reason">
            <code data-reason>{reason.name}</code> {reason.detail}
            {reason.place !== undefined && <span class="place"> ({reason.place})</span>}
          </p>
        )}
        {advice !== undefined && <p class="advice">{advice}</p>}
        {question !== undefined && (
          <blockquote>
            <p>{question}</p>
            <p class="whose">The question, as the bundle's maker put it</p>
          </blockquote>
        )}
        {sealed !== undefined && <p class="sealed">{sealed}</p>}
        <p class="file-line">{file}</p>
      </div>
    </div>
  );
}

function Proof({ view, verdict }: { readonly view: View; readonly verdict: Verdict }) {
  return (
    <>
      {view.decisions.length > 0 && <Decisions decisions={view.decisions} isSealed={view.sealed !== undefined} />}
      {view.logs.map((log) => (
        <LogSection key={log.key} log={log} />
      ))}
      <section class="card" aria-labelledby="json-title">
        <h2 id="json-title">For machines</h2>
        <details class="more">
          <summary>
            The verdict as <code>latchkey verify --json</code> writes it
          </summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
          <pre data-json tabIndex={0}>
            {JSON.stringify(verdict, null, 2)}
          </pre>
        </details>
      </section>
    </>
  );
}
