/** `latchkey risk erase` and `latchkey risk retention run`: first what would go, and with --yes that it goes, signed. */
import { userInfo } from 'node:os';
import { LatchkeyError } from '../../base/errors.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { formatVkey } from '../../evidence/log/note.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { Compacted } from '../../risk/retention/compact.ts';
import { type ErasureParts, ErasureRoom } from '../../risk/retention/erase.ts';
import { type RetentionParts, type RetentionReport, RetentionRoom } from '../../risk/retention/run.ts';
import { openErasureKey } from '../../risk/retention/statement.ts';
import { onTurn, RetentionTurns } from '../../risk/retention/turns.ts';
import type { CommandArgs, CommandIo, CommandRun } from '../command.ts';
import { peopleLogger } from '../people-logger.ts';
import { refusedWord } from '../refused-word.ts';
import { type RiskSide, withRiskSide } from '../risk-store.ts';

/** Somebody still needs it: nothing was erased. */
const HELD_EXIT = 75;
/** Another process does it just now. */
const LATER_EXIT = 75;

export const riskEraseCommand: CommandRun = async (args, io) => {
  const given = ['parcel', 'actor', 'customer'].flatMap((name) => args.text(name) ?? []);
  const [reference] = given;
  if (reference === undefined || given.length > 1) {
    throw new LatchkeyError('USAGE', 'expected one of --parcel REF, --actor REF and --customer REF');
  }
  const why = args.required('reason');
  return withRiskSide(args, io, async (side) => {
    const { parts, vkey } = await partsOf(side, io);
    const room = new ErasureRoom(parts);
    await side.ledger.catchUp(io.signal);
    if (!args.flag('yes')) return showPlan(room, reference, args, io);
    const receipt = await room.erase({ reference, reason: why, by: byOf(args) });
    if (!receipt.ok) {
      if (receipt.reason === 'held') {
        io.err(`nothing was erased: ${receipt.detail}`);
        return HELD_EXIT;
      }
      const { reason, detail } = receipt;
      throw refusedWord({ ok: false, reason, detail });
    }
    const { counts, statement, envelope, salt, compacted } = receipt.value;
    if (args.flag('json'))
      io.out(JSON.stringify({ outcome: 'erased', counts, statement, envelope, salt, compacted, vkey }));
    else {
      io.out(`erased: ${countsText(counts)}`);
      io.out(`statement ${statement.id}, signed by ${vkey}`);
      io.out(`salt ${salt}: with the reference it proves whom the statement is about; it is kept nowhere`);
      io.out(envelope);
      showLeft(compacted, io);
    }
    return 0;
  });
};

export const riskRetentionCommand: CommandRun = async (args, io) =>
  withRiskSide(args, io, async (side) => {
    const { parts, vkey } = await partsOf(side, io);
    const { ledger, retention } = side;
    const all = { ...parts, settings: retention, catchUp: (signal?: AbortSignal) => ledger.catchUp(signal) };
    const executes = args.flag('yes');
    const report = executes
      ? await runOnTurn(all, byOf(args), io.signal)
      : await new RetentionRoom(all).plan(io.signal);
    if (report === undefined) {
      io.err('nothing was taken away: retention runs in another process just now; try again in ten minutes');
      return LATER_EXIT;
    }
    if (args.flag('json')) io.out(JSON.stringify({ outcome: executes ? 'done' : 'due', ...report, vkey }));
    else showReport(report, executes, vkey, io);
    return 0;
  });

/** As the service does it; undefined while another does. */
async function runOnTurn(parts: RetentionParts, by: string, signal: AbortSignal): Promise<RetentionReport | undefined> {
  const done = await onTurn(
    new RetentionTurns(parts),
    () => parts.clock.wallMs(),
    (renew) => new RetentionRoom({ ...parts, renew }).run(by, signal),
    signal,
  );
  return done?.value;
}

async function partsOf(
  side: RiskSide,
  io: CommandIo,
): Promise<{ readonly parts: ErasureParts; readonly vkey: string }> {
  const { database, dataDir, owner, customers } = side;
  const key = await openErasureKey(nodeCrypto, dataDir, owner);
  const logger = peopleLogger(io);
  const parts = {
    database,
    crypto: nodeCrypto,
    key,
    ...(customers && { customers }),
    ...owner,
    clock: systemScheduler(),
    logger,
  };
  return { parts, vkey: formatVkey(key.vkey) };
}

async function showPlan(room: ErasureRoom, reference: string, args: CommandArgs, io: CommandIo): Promise<number> {
  const plan = await room.plan(reference);
  if (!plan.ok) throw refusedWord(plan);
  const { counts, held } = plan.value;
  if (args.flag('json')) io.out(JSON.stringify({ outcome: 'found', counts, held }));
  else {
    io.out(`found: ${countsText(counts)}`);
    for (const { by, name } of held) io.out(`needed by ${by} ${name}: it cannot be erased before that is over`);
    io.out('nothing was changed; say --yes to erase');
  }
  return 0;
}

function showReport(report: RetentionReport, executed: boolean, vkey: string, io: CommandIo): void {
  const { counts, held, before, envelope, compacted } = report;
  io.out(`${executed ? 'gone' : 'due'}: ${countsText({ ...counts })}; bodies from before ${before}`);
  if (held > 0) io.out(`${held} parcels are needed by holds, cases, disputes or payments, and stay whole`);
  if (!executed) io.out('nothing was changed; say --yes to take it away');
  if (envelope !== undefined) io.out(`signed by ${vkey}:\n${envelope}`);
  if (compacted !== undefined) showLeft(compacted, io);
}

function showLeft({ left }: Compacted, io: CommandIo): void {
  for (const what of left) io.err(`old bytes may remain on the server: ${what}`);
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name.replaceAll('_', ' ')}`)
    .join(', ');
}

function byOf(args: CommandArgs): string {
  return args.text('by') ?? `user:${userInfo().username}`;
}
