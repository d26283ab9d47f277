/** `latchkey command seal`: an access code as a grant carries it. The code is read, and never printed. */
import { createInterface } from 'node:readline';
import { within } from '../../base/abort.ts';
import { unbase64url } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { SecretText } from '../../base/secret-text.ts';
import { isGatewayId } from '../../evidence/wire/topics.ts';
import { sealCode } from '../../risk/commands/seal-code.ts';
import type { CommandRun } from '../command.ts';
import { newId } from '../command-request.ts';

/** Long enough to type it. */
const CODE_WAIT_MS = 120_000;
const CODE = /^[A-Za-z0-9_-]{4,128}$/;

export const commandSealCommand: CommandRun = async (args, io) => {
  const [gateway = '', key = ''] = args.positionals;
  if (!isGatewayId(gateway)) throw new LatchkeyError('USAGE', 'GATEWAY: expected 1 to 64 of a-z 0-9 -');
  const accessKey = unbase64url(key) ?? new Uint8Array(0);
  const code = await firstLine(io.signal);
  if (!CODE.test(code.reveal())) {
    throw new LatchkeyError('USAGE', 'the code: expected 4 to 128 letters, digits, - and _ on standard input');
  }
  const credential = newId();
  const sealed = sealCode({ gateway, accessKey, credential }, code);
  if (sealed === undefined) throw new LatchkeyError('USAGE', 'ACCESS_KEY: expected 32 bytes in base64url');
  io.out(args.flag('json') ? JSON.stringify({ credential, sealed }) : `credential=${credential} sealed=${sealed}`);
  return 0;
};

async function firstLine(stop: AbortSignal): Promise<SecretText> {
  if (process.stdin.isTTY) process.stderr.write('Access code: ');
  const signal = within(CODE_WAIT_MS, stop);
  const lines = createInterface({ input: process.stdin });
  try {
    const line = await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      lines.once('close', () => resolve(''));
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    return new SecretText(line.trim());
  } finally {
    lines.close();
    process.stdin.unref?.();
  }
}
