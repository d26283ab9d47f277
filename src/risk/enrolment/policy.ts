/**
 * The trust policy that follows from the histories (FORMAT.md section 10): what `latchkey verify --policy` and
 * `latchkey receive` believe.
 *
 * A log that only its predecessor's key vouched for is named without enrolment and AK: its evidence stays A0. A contested
 * branch is not named, unless it was revoked: its statement may reach a reader by another way, and the revocation must too.
 */
import { base64url } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { formatVkey } from '../../evidence/log/note.ts';
import { isAttestedStatement } from '../../evidence/wire/attested-successor.ts';
import { formatEnvelope } from '../../evidence/wire/envelope.ts';
import type { GatewayState, KnownLog } from './history.ts';

export interface PolicyExtras {
  readonly witnesses: readonly { readonly vkey: string; readonly roles: readonly string[] }[];
  readonly least_level: string;
}

/** One JSON text. */
export function policyText(crypto: EvidenceCrypto, states: readonly GatewayState[], extras: PolicyExtras): string {
  const believed = states.flatMap(({ logs }) => [...logs.values()].filter((log) => !log.isContested));
  const successors = believed.flatMap(({ statements }) => {
    // One says where the old log ended. The old key's, if there is one: every reader knows it.
    const one = statements.find((statement) => !isAttestedStatement(statement)) ?? statements[0];
    return one === undefined ? [] : [JSON.parse(formatEnvelope(one)) as unknown];
  });
  const refused = states.flatMap(({ logs }) => [...logs.values()].filter((log) => log.isContested && isRevoked(log)));
  const policy = {
    v: 1,
    logs: [...believed, ...refused].map((log) => rowOf(crypto, log)),
    witnesses: extras.witnesses,
    successors,
    least_level: extras.least_level,
  };
  return `${JSON.stringify(policy, undefined, 2)}\n`;
}

function isRevoked({ revoked }: KnownLog): boolean {
  return revoked !== undefined;
}

function rowOf(crypto: EvidenceCrypto, log: KnownLog): object {
  const { record, envelope } = log.enrolled;
  const { tpm } = record;
  return {
    vkey: formatVkey(log.vkey),
    ...(log.vouchedBy !== 'log' &&
      !log.isContested && {
        enrolment: base64url(crypto.sha256(envelope.payload)),
        ...(tpm !== undefined && { ak: tpm.ak, counter: tpm.counter, class: record.class }),
      }),
    ...(log.revoked !== undefined && { revoked: { size: log.revoked.size, root: log.revoked.root } }),
  };
}
