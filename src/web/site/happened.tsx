/** What happened at the site, newest first, in the words that could be typed at `latchkey simulate`. */
import type { HappenedView } from '../../../simulators/ui/view.ts';

const WHO: Readonly<Record<HappenedView['by'], string>> = {
  hands: 'hands',
  lock: 'gateway',
  program: 'process',
  refused: 'not done',
};

export function Happened({ happened }: { readonly happened: readonly HappenedView[] }) {
  return (
    <section aria-labelledby="happened-title">
      <h2 id="happened-title">What happened here</h2>
      {happened.length === 0 ? (
        <p class="hint">Nothing yet. Deposit a parcel, and look at the gateway’s console.</p>
      ) : (
        // It scrolls: whoever has no mouse must be able to reach it.
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls is reached by keyboard
        <ol class="card happened" tabIndex={0} aria-labelledby="happened-title">
          {happened.map(({ n, at, text, by }) => (
            <li key={n} class={by}>
              <time dateTime={at}>{new Date(at).toLocaleTimeString()}</time>
              <span class="who">{WHO[by]}</span>
              <span class="what">{text}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
