/** `latchkey open`, `stop-pick`, `resume`, `recount`: a person at the box, with a code of the authenticator. */
import { createInterface } from 'node:readline';
import { within } from '../../base/abort.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { ActAnswer } from '../../edge/contracts/console-view.ts';
import type { CommandIo, CommandRun } from '../command.ts';
import { askGateway, gatewaySettings } from '../locate.ts';

const CODE_WAIT_MS = 120_000;
const EXIT_UNVERIFIED = 2;
const EXIT_REFUSED = 77;

export function actCommand(verb: string): CommandRun {
  return async (args, io) => {
    const settings = gatewaySettings(args);
    const person = args.required('as');
    const [compartment] = args.positionals;
    const code = await readCode(io);
    const place = compartment === undefined ? {} : { compartment };
    const ask = { verb: 'act', args: { verb, person, code, ...place } };
    const answer = (await askGateway(settings, io, ask)) as ActAnswer;
    if (args.flag('json')) io.out(JSON.stringify(answer));
    else io.out(describe(answer, compartment));
    if (answer.result === 'refused') return EXIT_REFUSED;
    return answer.result === 'unverified' ? EXIT_UNVERIFIED : 0;
  };
}

function describe({ result, reason, tookMs, compartments }: ActAnswer, compartment: string | undefined): string {
  switch (result) {
    case 'opened':
      return `${compartment ?? ''} was seen open after ${tookMs ?? 0} ms`;
    case 'unverified':
      return `${compartment ?? ''} was not seen to open (${reason ?? ''}): look at the door; it is not tried again`;
    case 'counted':
      return `${compartments ?? 0} compartments were recorded`;
    case 'refused':
      return `refused: ${reason ?? ''}`;
    default:
      return result;
  }
}

/** Never an argument, which other users of the machine could read. */
async function readCode(io: CommandIo): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write('Code: ');
  const signal = within(CODE_WAIT_MS, io.signal);
  const lines = createInterface({ input: process.stdin });
  try {
    const line = await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      lines.once('close', () => resolve(''));
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    const code = line.trim();
    if (!/^[0-9]{6}$/.test(code)) throw new LatchkeyError('USAGE', 'expected the six digits of the authenticator');
    return code;
  } finally {
    lines.close();
    process.stdin.unref?.();
  }
}
