/**
 * Mutations of valid inputs for the fuzz tests: flip, splice, cut, repeat, insert. Seeded, so that a failure repeats.
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Integer in [0, bound): mulberry32. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * bound);
  }

  bytes(size: number): Uint8Array {
    return Uint8Array.from({ length: size }, () => this.below(256));
  }
}

/**
 * How many mutations `fuzz` makes: a short edition in every run of the tests, and a million in the campaign, which runs the
 * same tests with LATCHKEY_FUZZ_RUNS.
 */
export const FUZZ_RUNS = Number(process.env['LATCHKEY_FUZZ_RUNS'] ?? 5_000);

/**
 * Runs a decoder over mutations; more of them where a rare refusal must be reached. Refusals inside of JSON.parse and TextDecoder are exceptions, and capturing
 * their stacks would be most of the time.
 */
export function fuzz(run: (i: number) => void, runs = FUZZ_RUNS): void {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    for (let i = 0; i < runs; i += 1) run(i);
  } finally {
    Error.stackTraceLimit = before;
  }
}

/** A mutation test may wait long for its turn on a busy machine. */
export const FUZZ_TIMEOUT_MS = 3 * FUZZ_RUNS + 300_000;

/** One to three mutations. Bytes come from `input` itself and from `other` valid inputs. */
export function mutate(random: Random, input: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let bytes = input;
  for (let rounds = 1 + random.below(3); rounds > 0; rounds -= 1) bytes = mutateOnce(random, bytes, others);
  return bytes;
}

function mutateOnce(random: Random, input: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  const at = random.below(input.length + 1);
  const to = at + random.below(Math.min(64, input.length - at) + 1);
  const other = others[random.below(others.length)] ?? input;
  switch (random.below(7)) {
    case 0: {
      const flipped = new Uint8Array(input);
      if (at < input.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
      return flipped;
    }
    case 1: {
      const changed = new Uint8Array(input);
      // Bytes that mean something to these formats: newline, quote, braces, digits, em dash, NUL.
      const likely = [0x0a, 0x22, 0x7b, 0x7d, 0x30, 0x39, 0x2d, 0x5c, 0x20, 0xe2, 0x00, 0xff, 0x2b, 0x2c];
      if (at < input.length) changed[at] = likely[random.below(likely.length)] ?? 0;
      return changed;
    }
    case 2:
      return join(input.subarray(0, at), input.subarray(to));
    case 3:
      return join(input.subarray(0, to), input.subarray(at));
    case 4: {
      const from = random.below(other.length + 1);
      return join(input.subarray(0, at), other.subarray(from));
    }
    case 5: {
      const from = random.below(other.length + 1);
      const piece = other.subarray(from, from + random.below(64));
      return join(join(input.subarray(0, at), piece), input.subarray(to));
    }
    default:
      return join(join(input.subarray(0, at), random.bytes(random.below(8))), input.subarray(at));
  }
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
