/** The tree as a line from its first entry to its last: what is held, anchored, stored, and where it was signed. */
import type { CoverageView } from './view-types.ts';

const WIDTH = 1_000;

export function Coverage({ coverage }: { readonly coverage: CoverageView }) {
  const { size, first, end, anchored, receipted, checkpoints, text } = coverage;
  const at = (n: number): number => (WIDTH * n) / size;
  const bars = [
    { name: 'verified', from: first, to: end },
    { name: 'anchored', from: 0, to: anchored },
    { name: 'stored', from: 0, to: receipted },
  ];
  return (
    <figure class="coverage">
      <svg viewBox={`0 0 ${WIDTH} 60`} preserveAspectRatio="none" role="img" aria-label={text}>
        {bars.map(({ name, from, to }, i) => (
          <g key={name} class={name}>
            <rect class="rail" x={0} y={4 + 20 * i} width={WIDTH} height={8} />
            {to > from && <rect class="bar" x={at(from)} y={4 + 20 * i} width={at(to) - at(from)} height={8} />}
          </g>
        ))}
        {checkpoints.map((each) => (
          <rect key={each} class="signed" x={Math.max(0, at(each) - 3)} y={0} width={3} height={16} />
        ))}
      </svg>
      <figcaption class="hint">
        <span class="verified">verified</span>
        <span class="anchored">anchored</span>
        <span class="stored">stored</span>
        <span class="signed">signed checkpoint</span>
        <span class="words">{text}</span>
      </figcaption>
    </figure>
  );
}
