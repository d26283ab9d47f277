/**
 * Chance that repeats itself: the same seed and labels give the same throws on every machine, in every run.
 *
 * Each decision takes dice of its own labels (line, number of the emission), so that one more poll on one line does not
 * change what happens on another.
 */
export interface Dice {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, below). */
  int(below: number): number;
  chance(probability: number): boolean;
  bytes(count: number): Uint8Array;
}

const TWO_32 = 0x1_0000_0000;

export function diceOf(seed: number, ...labels: readonly (string | number)[]): Dice {
  let state = hash32(`${seed}\n${labels.join('\n')}`);
  const next = (): number => {
    // mulberry32 (T. Ettinger, public domain): small, and good enough to choose faults with.
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / TWO_32;
  };
  const int = (below: number): number => Math.floor(next() * below);
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    bytes: (count) => Uint8Array.from({ length: count }, () => int(256)),
  };
}

/** FNV-1a, 32 bits. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash | 0;
}
