/**
 * What each file of tests starts with, also in a process that others were in before it: the umask of a login, which commands
 * narrow for all that their process makes, and one seed.
 *
 * One seed for every property of a run: what passed passes again, also where a test asserts that chance reached every
 * refusal. `FC_SEED=<number>` looks elsewhere; a failure names the seed that repeats it.
 */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['FC_SEED'] ?? 20_261_122) });

process.umask(0o022);
