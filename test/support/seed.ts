/**
 * One seed for every property of a run: what passed passes again, also where a test asserts that chance reached every
 * refusal. `FC_SEED=<number>` looks elsewhere; a failure names the seed that repeats it.
 */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['FC_SEED'] ?? 20_261_122) });
