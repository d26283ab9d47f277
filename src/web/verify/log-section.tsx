/** One log: how far its word reaches, what certifies it, and its entries in their order. */

import { Rows } from '../kit/rows.tsx';
import { Coverage } from './coverage.tsx';
import { Timeline } from './timeline.tsx';
import type { FindingView, LogView, ReachedView } from './view-types.ts';

export function LogSection({ log }: { readonly log: LogView }) {
  const { title, origin, finding, isProved } = log;
  return (
    <section class="log" aria-label={title}>
      <header class="log-head">
        <h2>{title}</h2>
        <p class="mono origin">{origin}</p>
      </header>
      {finding !== undefined && <Finding finding={finding} />}
      {log.entries.length > 0 && (
        <div class="card">
          <h3>Events</h3>
          {!isProved && (
            <p class="warning">
              Drawn as the file has them. The verdict does not say that they are true to the log: do not rely on them.
            </p>
          )}
          <Timeline log={log} />
        </div>
      )}
    </section>
  );
}

function Finding({ finding }: { readonly finding: FindingView }) {
  const { level, levelText, ladder, reached, tail, rows, coverage, anchors, continuity, receipts, missing } = finding;
  return (
    <div class="finding">
      <div class="card">
        <h3>
          Level <span data-level>{level}</span>
        </h3>
        <p class="summary">
          {reached.length > 1 ? 'All of what is asked about is at least' : 'It is'} {levelText}.
        </p>
        {reached.length > 0 && <Reached reached={reached} />}
        {tail !== undefined && <p>{tail}</p>}
        <ol class="ladder" aria-label="Levels of assurance">
          {ladder.map((step) => (
            <li key={step.level} class={step.isReached ? 'reached' : ''}>
              <span class="rung">{step.level}</span>
              <span>
                {step.text}
                <span class="state">{step.isReached ? ' (reached)' : ' (not reached)'}</span>
                {step.why !== undefined && <span class="why">Missing: {step.why}</span>}
              </span>
            </li>
          ))}
        </ol>
      </div>
      <div class="card">
        <h3>The log</h3>
        <Rows rows={rows} />
        <Coverage coverage={coverage} />
      </div>
      <div class="card">
        <h3>Anchors and receipts</h3>
        {anchors.length === 0 ? <p class="hint">No anchor of a TPM is in the file.</p> : <Rows rows={anchors} />}
        {continuity.length > 0 && (
          <ul class="plain">
            {continuity.map(({ name, kind, detail }) => (
              <li key={`${name} ${detail}`} class={kind === 'refuted' ? 'bad-text' : ''}>
                <code>{name}</code> {detail}
              </li>
            ))}
          </ul>
        )}
        {receipts.length === 0 ? (
          <p class="hint">No receipt of a witness that the policy names is in the file.</p>
        ) : (
          <ul class="plain">
            {receipts.map(({ witness, roles, text }) => (
              <li key={witness}>
                <strong>{witness}</strong> ({roles}) {text}
              </li>
            ))}
          </ul>
        )}
      </div>
      <div class="card">
        <h3>What is missing</h3>
        {missing.length === 0 ? (
          <p class="hint">Nothing is known to be missing below the end of the tree.</p>
        ) : (
          <ul class="plain">
            {missing.map((what) => (
              <li key={what}>{what}</li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}

/** Of each entry by itself: a log is as low as the lowest of them. */
function Reached({ reached }: { readonly reached: readonly ReachedView[] }) {
  return (
    <>
      <p class="hint">What each entry reaches:</p>
      <ul class="plain reached-by" aria-label="What each entry reaches">
        {reached.map(({ level, text, which }) => (
          <li key={level} data-reached={level}>
            <strong>{level}</strong>, {text}: {which}
          </li>
        ))}
      </ul>
    </>
  );
}
