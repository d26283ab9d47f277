/** Both sides of the open wire over the same mutated frames. */
import { hex } from '../../src/base/bytes.ts';
import { startFastHarness, startHarness } from './firmware.ts';
import { Random } from './mutate.ts';
import { mutatedLine, soundLines } from './wire-mutations.ts';
import { FROM_DEVICE, FROM_GATEWAY, verdictOf } from './wire-verdict.ts';

const BATCH = 2_000;

export interface Difference {
  readonly line: string;
  readonly c: string;
  readonly ts: string;
}

export interface Compared {
  readonly lines: number;
  readonly differences: readonly Difference[];
  /** How often each word of a verdict came. */
  readonly words: ReadonlyMap<string, number>;
  /** Exit code of the C side: 0 when its sanitizers found nothing. */
  readonly exitCode: number | null;
}

export async function compareSides(lines: number, seed: number, fast = false): Promise<Compared> {
  const harness = (fast ? startFastHarness : startHarness)('verdict', `${hex(FROM_GATEWAY)}${hex(FROM_DEVICE)}`);
  const random = new Random(seed);
  const words = new Map<string, number>();
  const differences: Difference[] = [];
  let compared = 0;
  while (compared < lines) {
    const sound = compared === 0 ? soundLines() : [];
    const batch = [...sound, ...Array.from({ length: Math.min(BATCH, lines - compared) }, () => mutatedLine(random))];
    const texts = batch.map((line) => (line.length === 0 ? '-' : hex(line)));
    const answers = await harness.askAll(texts);
    for (const [i, line] of batch.entries()) {
      const ts = verdictOf(line);
      const c = answers[i] ?? '';
      if (ts !== c && differences.length < 10) differences.push({ line: texts[i] ?? '', c, ts });
      for (const verdict of ts.split(';').slice(0, -1)) {
        const word = verdict.split(' ').at(-1) ?? '';
        words.set(word, (words.get(word) ?? 0) + 1);
      }
    }
    compared += batch.length;
  }
  return { lines: compared, differences, words, exitCode: await harness.end() };
}
