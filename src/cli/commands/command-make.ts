/** `latchkey command make`: a signed command on standard output. */

import { utf8Text } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { nonce16Field, timeField } from '../../evidence/event/event-fields.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { openCommandKey } from '../../risk/commands/command-key.ts';
import type { CommandRun } from '../command.ts';
import { commandRequest, commandSettings, newId } from '../command-request.ts';

export const commandMakeCommand: CommandRun = async (args, io) => {
  process.umask(0o077);
  const { signer } = commandSettings(args);
  const request = commandRequest(args);
  const log = args.required('log');
  const start = args.required('start');
  const notAfter = args.text('not-after');
  args.required('until-up-ms');
  const origin = parseOrigin(log);
  if (!origin.ok || origin.value.gateway !== request.gateway) {
    throw new LatchkeyError('USAGE', `--log: expected the origin of a log of ${request.gateway}`);
  }
  if (!nonce16Field.fits(start)) throw new LatchkeyError('USAGE', '--start: expected 16 bytes in base64url');
  if (notAfter !== undefined && !timeField.fits(notAfter)) {
    throw new LatchkeyError('USAGE', '--not-after: expected a time of the calendar like 2026-11-22T09:01:00.000Z');
  }
  const untilUpMs = args.count('until-up-ms', 0);
  const { key } = await openCommandKey(nodeCrypto, signer.key_file, signer.name);
  const limit = { until_up_ms: untilUpMs, ...(notAfter !== undefined && { not_after: notAfter }) };
  const { bytes } = key.sign({ ...request, log, start, id: newId(), ...limit });
  io.out(utf8Text(bytes) ?? '');
  return 0;
};
