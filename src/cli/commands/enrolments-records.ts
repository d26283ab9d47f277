/**
 * `latchkey enrolments records`: what a verifier needs whose policy names this service: the summaries of records, without
 * the EK certificates, and the statements of what followed, an envelope a line.
 */
import { LatchkeyError } from '../../base/errors.ts';
import { formatEnvelope } from '../../evidence/wire/envelope.ts';
import { readGateway } from '../../risk/enrolment/gateway-book.ts';
import type { GatewayState } from '../../risk/enrolment/history.ts';
import type { CommandRun } from '../command.ts';
import { enrolmentSettings, enrolmentStore, gatewayOf } from '../enrolments.ts';

export const enrolmentsRecordsCommand: CommandRun = async (args, io) => {
  const store = await enrolmentStore(enrolmentSettings(args));
  const wanted = args.positionals[0];
  const gateways = wanted === undefined ? await store.gateways() : [gatewayOf(wanted)];
  let revoked = 0;
  for (const gateway of gateways) {
    const state = await readGateway(store, gateway);
    if (wanted !== undefined && state.records.length === 0) {
      throw new LatchkeyError('ENROLMENT_UNKNOWN', `${gateway} was never enrolled here`);
    }
    for (const line of linesOf(state)) io.out(line);
    revoked += [...state.logs.values()].filter((log) => log.revoked !== undefined).length;
  }
  // A record cannot say that it was revoked: only a policy does.
  if (revoked > 0) io.err(`${revoked} logs are revoked: verifiers must have them in their policy (enrolments policy)`);
  return 0;
};

/** Contested logs are left out: none of the branches counts until a person chose. */
function linesOf({ records, logs }: GatewayState): readonly string[] {
  const statements = [...logs.values()].filter((log) => !log.isContested).flatMap((log) => log.statements);
  return [...records.map(({ summary }) => summary), ...statements].map(formatEnvelope);
}
