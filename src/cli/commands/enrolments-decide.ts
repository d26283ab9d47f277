/** `latchkey enrolments approve`, `decline` and `revoke`. */
import { createHash } from 'node:crypto';
import { unbase64 } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { approve, choose, decline, revoke } from '../../risk/enrolment/decisions.ts';
import { isChallengeId } from '../../risk/enrolment/messages.ts';
import { keyOf } from '../../risk/enrolment/serve.ts';
import type { CommandRun } from '../command.ts';
import { deciderOf, enrolmentSettings, gatewayOf } from '../enrolments.ts';

export const enrolmentsApproveCommand: CommandRun = async (args, io) => {
  const settings = enrolmentSettings(args);
  const decider = await deciderOf(args, settings);
  const gateway = gatewayOf(args.positionals[0]);
  const what = args.positionals[1] ?? '';
  if (isChallengeId(what)) await approve(decider, (await keyOf(settings)).key, gateway, what);
  else await choose(decider, gateway, what);
  io.err(`approved: ${what}`);
  return 0;
};

export const enrolmentsDeclineCommand: CommandRun = async (args, io) => {
  const settings = enrolmentSettings(args);
  const challenge = args.positionals[1] ?? '';
  await decline(await deciderOf(args, settings), gatewayOf(args.positionals[0]), challenge);
  io.err(`declined: ${challenge}`);
  return 0;
};

export const enrolmentsRevokeCommand: CommandRun = async (args, io) => {
  const settings = enrolmentSettings(args);
  const log = args.positionals[1] ?? '';
  args.required('size');
  const size = args.count('size', 0);
  // The root of the empty tree (RFC 6962 section 2.1).
  const root = args.text('root') ?? (size === 0 ? createHash('sha256').digest('base64') : undefined);
  if (root === undefined || unbase64(root)?.length !== 32) {
    throw new LatchkeyError('USAGE', 'option --root: expected the 32 bytes of the root at that size in base64');
  }
  await revoke(await deciderOf(args, settings), gatewayOf(args.positionals[0]), log, { size, root });
  io.err(`revoked at ${size}: ${log}. Give the new "latchkey enrolments policy" to verifiers`);
  return 0;
};
