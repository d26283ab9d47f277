/** What was decided on the entries of a bundle, and why: its maker's words, marked as such. */
import type { AboveView, DecisionView } from './view-types.ts';

interface Shown {
  readonly decisions: readonly DecisionView[];
  readonly isSealed: boolean;
}

export function Decisions({ decisions, isSealed }: Shown) {
  return (
    <section aria-labelledby="decisions-title">
      <h2 id="decisions-title">{decisions.length === 1 ? 'The decision' : 'Decisions'}</h2>
      {decisions.map((decision) => (
        <Decision key={decision.id} decision={decision} isSealed={isSealed} />
      ))}
    </section>
  );
}

function Decision({ decision, isSealed }: { readonly decision: DecisionView; readonly isSealed: boolean }) {
  const { id, refund, outcome, approvals, ruleset, reasons, alternatives, isChecked, above } = decision;
  return (
    <article class="card decision">
      <h3>
        <span class="outcome">{outcome.replaceAll('_', ' ')}</span> refund {refund}
        {approvals !== undefined && <span class="hint"> {approvals}</span>}
      </h3>
      {reasons.length > 0 && (
        <ul class="reasons">
          {reasons.map(({ code, text, events }) => (
            <li key={`${code} ${text}`}>
              <code>{code}</code>
              <span>
                {text}
                {events.length > 0 && <span class="refs">{events.map(shortRef).join(', ')}</span>}
              </span>
            </li>
          ))}
        </ul>
      )}
      {alternatives.length > 0 && (
        <details class="more">
          <summary>What would have changed it</summary>
          <dl class="rows">
            {alternatives.map(({ label, value }) => (
              <div key={value}>
                <dt>{label}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
      {above.length > 0 && <Above above={above} />}
      <p class="hint">
        {isChecked
          ? 'It is of the facts beside it, and every entry that it rests on is in this bundle. '
          : 'Nothing of it is checked, since the bundle did not verify. '}
        {isChecked && !isSealed && 'Its outcome and reasons are sealed by nobody whom your trust names. '}
        Whether those facts lead to it is told by whoever has the ruleset {ruleset} and decides again.
      </p>
      <p class="hint mono">{id}</p>
    </article>
  );
}

const ABOVE_MAX = 16;

function Above({ above }: { readonly above: readonly AboveView[] }) {
  return (
    <div class="above" role="note">
      <p class="warning">
        It counted {above.length === 1 ? 'an entry' : `${above.length} entries`} for more than is proved here. Its maker
        may believe more than your trust does, or run a trial: ask.
      </p>
      <ul class="plain">
        {above.slice(0, ABOVE_MAX).map(({ entry, counted, proved }) => (
          <li key={entry}>
            <span class="refs">{shortRef(entry)}</span> counted as <strong>{counted}</strong>; proved here:{' '}
            <strong>{proved}</strong>
          </li>
        ))}
        {above.length > ABOVE_MAX && <li>and {above.length - ABOVE_MAX} more: see below, for machines</li>}
      </ul>
    </div>
  );
}

/** `lockers.example/gw-0001/1-56475aa7#12` to `gw-0001 #12`; other references are claims of other sources. */
function shortRef(ref: string): string {
  const found = /^[^/]*\/([^/]*)\/[^#]*#(\d+)$/.exec(ref);
  return found === null ? ref : `${found[1]} #${found[2]}`;
}
