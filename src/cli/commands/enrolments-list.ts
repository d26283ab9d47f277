/** `latchkey enrolments list` and `show`. */
import { LatchkeyError } from '../../base/errors.ts';
import { formatVkey } from '../../evidence/log/note.ts';
import { DOUBTS } from '../../risk/enrolment/events.ts';
import { readGateway } from '../../risk/enrolment/gateway-book.ts';
import type { GatewayState, KnownLog } from '../../risk/enrolment/history.ts';
import type { CommandRun } from '../command.ts';
import { enrolmentSettings, enrolmentStore, gatewayOf } from '../enrolments.ts';

export const enrolmentsListCommand: CommandRun = async (args, io) => {
  const store = await enrolmentStore(enrolmentSettings(args));
  const rows: object[] = [];
  for (const gateway of await store.gateways()) {
    const state = await readGateway(store, gateway);
    if (args.flag('json')) rows.push({ gateway, ...rowOf(state) });
    else for (const line of linesOf(gateway, state)) io.out(line);
  }
  if (args.flag('json')) io.out(JSON.stringify({ v: 1, gateways: rows }));
  return 0;
};

export const enrolmentsShowCommand: CommandRun = async (args, io) => {
  const gateway = gatewayOf(args.positionals[0]);
  const store = await enrolmentStore(enrolmentSettings(args));
  const events = (await store.read(gateway)).map((text) => JSON.parse(text) as unknown);
  if (events.length === 0) throw new LatchkeyError('ENROLMENT_UNKNOWN', `nothing is known of ${gateway} here`);
  const state = await readGateway(store, gateway);
  io.out(JSON.stringify({ v: 1, gateway, ...rowOf(state), events }, undefined, 2));
  return 0;
};

function rowOf(state: GatewayState): object {
  return {
    logs: [...state.logs.values()].map((log) => ({
      vkey: formatVkey(log.vkey),
      class: log.enrolled.record.class,
      vouched_by: log.vouchedBy,
      contested: log.isContested,
      ...(log.old !== undefined && { old: log.old }),
      ...(log.revoked !== undefined && { revoked: log.revoked }),
    })),
    pending: [...state.pending.values()].map(({ challenge, at, doubts }) => ({ challenge, at, doubts })),
    forks: state.forks,
  };
}

function linesOf(gateway: string, state: GatewayState): readonly string[] {
  const logs = [...state.logs.values()].map((log) => `${gateway}  ${log.vkey.name}  ${wordsOf(log)}`);
  const pending = [...state.pending.values()].map(({ challenge, doubts }) => {
    return `${gateway}  WAITS ${challenge}: ${doubts.map((doubt) => DOUBTS[doubt]).join('; ')}`;
  });
  const forks = state.forks.map((old) => `${gateway}  ALARM ${old}: more than one successor; choose one`);
  return [...logs, ...pending, ...forks];
}

function wordsOf(log: KnownLog): string {
  const words: string[] = [log.enrolled.record.class];
  if (log.vouchedBy === 'ak') words.push('by its AK');
  if (log.vouchedBy === 'log') words.push('by its predecessor alone (A0)');
  if (log.isContested) words.push('contested');
  if (log.revoked !== undefined) words.push(`revoked at ${log.revoked.size}`);
  return words.join(', ');
}
