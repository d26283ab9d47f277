/** `latchkey risk refund`, `replay` and `import`: decisions that are kept, on the database of the receiver. */
import { present } from '../../base/assert.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { importPayments, importRates, paymentsSchema, ratesSchema } from '../../risk/casework/imports.ts';
import { refundRequestSchema } from '../../risk/casework/refund-request.ts';
import { parseRelations, replaceRelations } from '../../risk/customers/customer-rows.ts';
import { claimOf, claimRowsSchema } from '../../risk/ledger/claims-file.ts';
import type { CommandArgs, CommandIo, CommandRun } from '../command.ts';
import { showDecision } from '../describe-decision.ts';
import { keptText } from '../kept-text.ts';
import { readJson, readText } from '../read-json.ts';
import { refusedWord } from '../refused-word.ts';
import { type RiskSide, withRiskSide } from '../risk-store.ts';
import { type Again, replayAtService } from '../running-service.ts';

export const riskRefundCommand: CommandRun = async (args, io) => {
  const request = readJson(args.positionals[0] ?? '', refundRequestSchema);
  const key = keptText('key', args.text('key') ?? request.refund_id);
  return withRiskSide(args, io, async ({ ledger, desk }) => {
    await ledger.catchUp(io.signal);
    const answer = await desk.decide(key, request);
    if (!answer.ok) throw refusedWord(answer);
    if (args.flag('json')) io.out(JSON.stringify(answer.value));
    else showDecision(answer.value, io);
    return 0;
  });
};

export const riskReplayCommand: CommandRun = async (args, io) => {
  const id = args.positionals[0] ?? '';
  const found = await replay(id, args, io);
  if (found === undefined) {
    throw new LatchkeyError('NAME_UNKNOWN', `there is no decision ${JSON.stringify(id)} in this database`);
  }
  const { again, same } = found;
  // Named twice: as in a request, and as lists of decisions name it.
  if (args.flag('json')) io.out(JSON.stringify({ refund: again.refund_id, ...again }));
  else showDecision(again, io);
  io.err(same ? 'the same as it was decided' : 'NOT the same as it was decided: another version of the rules made it');
  return same ? 0 : 1;
};

/** A service that runs holds its embedded database: then it is asked. */
async function replay(id: string, args: CommandArgs, io: CommandIo): Promise<Again | undefined> {
  try {
    const look = async ({ desk }: RiskSide): Promise<Again | undefined> => {
      const stored = await desk.decision(id);
      const again = await desk.replay(id);
      if (stored === undefined || again === undefined) return undefined;
      return { again, same: JSON.stringify(again) === JSON.stringify(stored.decision) };
    };
    return await withRiskSide(args, io, look, true);
  } catch (error) {
    if (!(error instanceof LatchkeyError) || error.code !== 'STORE_BUSY') throw error;
    return replayAtService(args, id, error);
  }
}

export const riskImportCommand: CommandRun = async (args, io) => {
  const [kind = '', file = ''] = args.positionals;
  // Read before the database is opened: a file that is wrong takes no lock.
  const keep = importOf(kind, file);
  const count = await withRiskSide(args, io, keep);
  io.out(args.flag('json') ? JSON.stringify({ kind, count }) : `${count} ${kind} imported`);
  return 0;
};

function importOf(kind: string, file: string): (side: RiskSide) => Promise<number> {
  if (kind === 'payments') {
    const rows = readJson(file, paymentsSchema);
    return async ({ database, owner, customers }) => {
      const taken = await importPayments(database, rows, owner, {
        names: present(customers, 'their key'),
        nowMs: Date.now(),
      });
      if (!taken.ok) throw new LatchkeyError('INPUT_UNREADABLE', `${file}: ${taken.detail}; nothing was imported`);
      return taken.value;
    };
  }
  if (kind === 'rates') {
    const rows = readJson(file, ratesSchema);
    return async ({ database, owner }) => {
      const taken = await importRates(database, rows, owner);
      if (!taken.ok) throw new LatchkeyError('INPUT_UNREADABLE', `${file}: ${taken.detail}; nothing was imported`);
      return taken.value;
    };
  }
  if (kind === 'claims') {
    const rows = readJson(file, claimRowsSchema);
    return async ({ ledger }) => {
      for (const row of rows) await ledger.claim(row.parcel, claimOf(row), Date.now());
      return rows.length;
    };
  }
  if (kind === 'relations') {
    const relations = parseRelations(readText(file));
    if (!relations.ok)
      throw new LatchkeyError('INPUT_UNREADABLE', `${file}: ${relations.detail}; nothing was imported`);
    return ({ database, owner, customers }) =>
      replaceRelations(database, present(customers, 'their key'), relations.value, owner);
  }
  throw new LatchkeyError('USAGE', `expected payments, rates, claims or relations, found ${JSON.stringify(kind)}`);
}
