/** `latchkey simulate tpm`: the TPM of a box, for a technician without one, tests and the demo. */
import { runTpm } from '../../../simulators/tpm/play.ts';
import type { CommandRun } from '../command.ts';

export const simulateTpmCommand: CommandRun = async (args, io) => {
  const [dir, socketPath] = [args.text('dir'), args.text('socket')];
  const settings = {
    ...(dir === undefined ? {} : { dir }),
    ...(socketPath === undefined ? {} : { socketPath }),
  };
  const typed = process.stdin.isTTY === true ? { input: process.stdin } : {};
  await runTpm(settings, { out: io.out, err: io.err, json: args.flag('json'), ...typed }, io.signal);
  return 0;
};
