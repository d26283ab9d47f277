/** `latchkey risk bundle`: the evidence for one parcel or one refund, out of the receiver's database, as a bundle. */
import { writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { formatVkey } from '../../evidence/log/note.ts';
import { parseEnrolmentFile } from '../../evidence/verify/enrolled.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { CaseBook, evidenceName } from '../../risk/casework/case-book.ts';
import { Bundles } from '../../risk/dossier/bundles.ts';
import { enrolmentsOf } from '../../risk/dossier/enrolments.ts';
import { EpcisExport } from '../../risk/dossier/epcis-export.ts';
import { openSealKey, type SealKey } from '../../risk/dossier/seal-key.ts';
import type { CommandArgs, CommandIo, CommandRun } from '../command.ts';
import { keptText } from '../kept-text.ts';
import { readStoredWhere } from '../risk-settings.ts';
import { type RiskSide, withRiskSide } from '../risk-store.ts';
import { readInput } from '../verified-entries.ts';

const KINDS = ['parcel', 'refund', 'epcis'] as const;

export const riskBundleCommand: CommandRun = async (args, io) => {
  const [kindText = '', name = ''] = args.positionals;
  const kind = KINDS.find((each) => each === kindText);
  if (kind === undefined) throw new LatchkeyError('USAGE', `expected parcel, refund or epcis, found ${kindText}`);
  const seal = await sealOf(args, io);
  const envelopes = args.list('enrolment').flatMap((file) => {
    const parsed = parseEnrolmentFile(readInput(file));
    if (parsed.ok) return parsed.value;
    throw new LatchkeyError('INPUT_UNREADABLE', `${file}: ${parsed.detail}`);
  });
  const out = args.text('out');
  // The name of a refund's bundle is noted with its cases.
  if (out !== undefined && kind === 'refund') keptText('out', basename(out));
  const make = async ({ database, ledger, owner }: RiskSide): Promise<Uint8Array | undefined> => {
    await ledger.catchUp(io.signal);
    const clock = systemScheduler();
    if (kind === 'epcis') {
      const document = await new EpcisExport({ database, clock }).ofParcel(name, io.signal);
      return document && Buffer.from(`${JSON.stringify(document)}\n`);
    }
    const enrolments = async (gateways: readonly string[]) => enrolmentsOf(envelopes, gateways);
    const parts = { database, ledger, crypto: nodeCrypto, clock, enrolments, ...(seal && { seal }) };
    const bundles = new Bundles(parts);
    if (kind === 'parcel') return bundles.ofParcel(name, io.signal);
    const bytes = await bundles.ofRefund(name, io.signal);
    if (bytes === undefined || out === undefined) return bytes;
    writeOut(out, bytes);
    const evidence = { name: evidenceName(nodeCrypto, bytes, basename(out)), actor: userInfo().username };
    const cases = await new CaseBook(database).evidenceKept(name, { ...evidence, atMs: clock.wallMs() }, owner);
    for (const id of cases) io.err(`case ${id}: its evidence is kept now, and its clock stands`);
    return bytes;
  };
  const bytes = await withRiskSide(args, io, make, true);
  if (bytes === undefined) {
    throw new LatchkeyError('NAME_UNKNOWN', `nothing that is verified and signed is stored of ${kind} ${name}`);
  }
  if (out === undefined) await io.write(bytes);
  else if (kind !== 'refund') writeOut(out, bytes);
  return 0;
};

async function sealOf(args: CommandArgs, io: CommandIo): Promise<SealKey | undefined> {
  const name = args.text('maker');
  if (name === undefined) return undefined;
  const { key, made } = await openSealKey(
    nodeCrypto,
    join(readStoredWhere(args).settings.data_dir, 'keys', 'bundles.key'),
    name,
  );
  if (made) io.err(`made a new key for bundles: verifiers name it under "makers": ${formatVkey(key.vkey)}`);
  return key;
}

function writeOut(path: string, bytes: Uint8Array): void {
  try {
    writeFileSync(path, bytes, { mode: 0o600 });
  } catch (error) {
    throw new LatchkeyError('OUTPUT_UNWRITABLE', `cannot write ${path}: ${messageOf(error)}`);
  }
}
