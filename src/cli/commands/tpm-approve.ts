/** `latchkey tpm approve`: the PCRs of this TPM as they are, approved under the operator's key. */
import { existsSync, readFileSync } from 'node:fs';
import { utf8 } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { approvePcrs } from '../../edge/gateway/tpm-acts.ts';
import { authorityKey } from '../../edge/keys/policy-authority.ts';
import { writeFileDurably } from '../../platform/durable-file.ts';
import type { CommandRun } from '../command.ts';
import { gatewaySettings } from '../locate.ts';

const PCR_LIST = /^(?:0|[1-9]\d?)(?:,(?:0|[1-9]\d?))*$/;
const PCR_MAX = 23;
/** No secret: every box of a kind gets it. */
const FILE_MODE = 0o644;

export const tpmApproveCommand: CommandRun = async (args, io) => {
  const settings = gatewaySettings(args);
  const key = authorityKey(readPem(args.required('key')));
  const pcrs = pcrsOf(args.required('pcrs'));
  const configured = settings.keys === 'software' ? undefined : settings.keys.tpm.policy;
  const path = args.text('policy') ?? configured;
  const known = path !== undefined && existsSync(path) ? path : undefined;
  const approved = await approvePcrs(settings, { key, pcrs, policyPath: known }, io.signal);
  if (path === undefined) {
    await io.write(utf8(approved.text));
    return 0;
  }
  if (approved.isNew) await writeFileDurably(path, utf8(approved.text), FILE_MODE);
  if (args.flag('json')) io.out(JSON.stringify({ policy: path, new: approved.isNew, approvals: approved.count }));
  else io.out(`${path}: ${approved.isNew ? 'approved' : 'was approved before'}; ${approved.count} approvals in all`);
  return 0;
};

function pcrsOf(text: string): readonly number[] {
  const pcrs = PCR_LIST.test(text) ? [...new Set(text.split(',').map(Number))].sort((a, b) => a - b) : [];
  if (pcrs.length > 0 && pcrs.every((pcr) => pcr <= PCR_MAX)) return pcrs;
  const expected = `PCRs from 0 to ${PCR_MAX}, like 0,2,4,7`;
  throw new LatchkeyError('USAGE', `option --pcrs: expected ${expected}; found ${JSON.stringify(text)}`);
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new LatchkeyError('INPUT_UNREADABLE', `option --key: ${messageOf(error)}`, { cause: error });
  }
}
