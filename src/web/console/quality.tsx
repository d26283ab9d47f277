/**
 * How well a line answered in the last hour, as a drawing of its own: SVG with attributes, since the console's content
 * security policy forbids the inline styles that chart libraries set.
 */
import type { LineView, QualityPoint } from '../../edge/contracts/console-view.ts';
import { shareText, spanText } from '../kit/words.ts';

const WIDTH = 360;
const HEIGHT = 44;
/** A bar of the answered share is drawn from here on: what matters is what is missing from the whole. */
const STEP_MS = 10_000;
const GOOD = 0.995;
const POOR = 0.9;

export function Quality({ line: { quality, port, cycleMs, unseenMaxMs } }: { readonly line: LineView }) {
  const newest = quality.at(-1);
  // Nothing is asked on a line of scanners alone.
  if (newest === undefined) return null;
  const spanMs = Math.max(...quality.map(({ agoMs }) => agoMs)) + STEP_MS;
  const mean = quality.reduce((sum, { answered }) => sum + answered, 0) / quality.length;
  const worst = Math.min(...quality.map(({ answered }) => answered));
  const words = `${shareText(mean)} of all questions answered in the last ${spanText(spanMs)}; in the worst ten seconds ${shareText(worst)}`;
  return (
    <figure class="quality">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        shape-rendering="crispEdges"
        role="img"
        aria-label={`Line ${port}: ${words}`}
      >
        <path class="rail" d={`M0 .500H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}`} />
        <path class="area" d={areaOf(quality, spanMs)} />
        {quality
          .filter(({ answered }) => answered < GOOD)
          .map((point) => (
            <rect
              key={point.agoMs}
              class={point.answered < POOR ? 'poor' : 'fair'}
              x={x(point, spanMs)}
              y={0}
              width={Math.max(1.2, (WIDTH * STEP_MS) / spanMs)}
              height={Math.max(2, HEIGHT * (1 - point.answered))}
            />
          ))}
      </svg>
      <figcaption class="hint">
        <span>{spanText(spanMs)} ago</span>
        <span>
          {shareText(mean)} answered
          {cycleMs === undefined ? '' : ` · a round takes ${Math.round(cycleMs)} ms`}
          {unseenMaxMs === undefined
            ? ''
            : ` · while all answer, no door is unseen for longer than ${(unseenMaxMs / 1_000).toFixed(1)} s`}
        </span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}

function x({ agoMs }: QualityPoint, spanMs: number): number {
  return round(WIDTH - (WIDTH * (agoMs + STEP_MS)) / spanMs);
}

function areaOf(points: readonly QualityPoint[], spanMs: number): string {
  const width = (WIDTH * STEP_MS) / spanMs;
  return points
    .map((point) => {
      const left = x(point, spanMs);
      return `M${left} ${HEIGHT}V${round(HEIGHT * (1 - point.answered))}h${round(width + 0.3)}V${HEIGHT}z`;
    })
    .join('');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
