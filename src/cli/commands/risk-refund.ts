/** `latchkey risk refund`, `replay` and `import`: decisions that are kept, on the database of the receiver. */
import { LatchkeyError } from '../../base/errors.ts';
import { importPayments, importRates, paymentsSchema, ratesSchema } from '../../risk/casework/imports.ts';
import { refundRequestSchema } from '../../risk/casework/refund-request.ts';
import { type ClaimRow, claimRowsSchema } from '../../risk/ledger/claims-file.ts';
import type { CommandRun } from '../command.ts';
import { showDecision } from '../describe-decision.ts';
import { readJson } from '../read-json.ts';
import { withRiskSide } from '../risk-store.ts';

export const riskRefundCommand: CommandRun = async (args, io) => {
  const request = readJson(args.positionals[0] ?? '', refundRequestSchema);
  const key = args.text('key') ?? request.refund_id;
  return withRiskSide(args, io, async ({ ledger, desk }) => {
    await ledger.catchUp(io.signal);
    const answer = await desk.decide(key, request);
    if (!answer.ok) throw new LatchkeyError('INPUT_UNREADABLE', `${answer.reason}: ${answer.detail}`);
    if (args.flag('json')) io.out(JSON.stringify(answer.value));
    else showDecision(answer.value, io);
    return 0;
  });
};

export const riskReplayCommand: CommandRun = async (args, io) => {
  const id = args.positionals[0] ?? '';
  return withRiskSide(args, io, async ({ desk }) => {
    const stored = await desk.decision(id);
    const again = await desk.replay(id);
    if (stored === undefined || again === undefined) {
      throw new LatchkeyError('INPUT_UNREADABLE', `there is no decision ${JSON.stringify(id)} in this database`);
    }
    // Named twice: as in a request, and as lists of decisions name it.
    if (args.flag('json')) io.out(JSON.stringify({ refund: again.refund_id, ...again }));
    else showDecision(again, io);
    const same = JSON.stringify(again) === JSON.stringify(stored.decision);
    io.err(
      same ? 'the same as it was decided' : 'NOT the same as it was decided: another version of the rules made it',
    );
    return same ? 0 : 1;
  });
};

export const riskImportCommand: CommandRun = async (args, io) => {
  const [kind = '', file = ''] = args.positionals;
  return withRiskSide(args, io, async ({ database, ledger, owner }) => {
    let count: number;
    if (kind === 'payments') {
      const rows = readJson(file, paymentsSchema);
      await importPayments(database, rows, owner);
      count = rows.length;
    } else if (kind === 'rates') {
      const taken = await importRates(database, readJson(file, ratesSchema), owner);
      if (!taken.ok) throw new LatchkeyError('INPUT_UNREADABLE', `${file}: ${taken.detail}; nothing was imported`);
      count = taken.value;
    } else if (kind === 'claims') {
      const rows: readonly ClaimRow[] = readJson(file, claimRowsSchema);
      for (const { parcel, ...claim } of rows) await ledger.claim(parcel, { kind: 'claim', ...claim }, Date.now());
      count = rows.length;
    } else throw new LatchkeyError('USAGE', `expected payments, rates or claims, found ${JSON.stringify(kind)}`);
    io.out(args.flag('json') ? JSON.stringify({ kind, count }) : `${count} ${kind} imported`);
    return 0;
  });
};
