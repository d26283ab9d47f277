/** An enrolment service on paper: signs whatever record a test wants about a log. */
import { base64, hex } from '../../src/base/bytes.ts';
import { pae } from '../../src/evidence/batch/pae.ts';
import { formatVkey, logVkey, type Vkey } from '../../src/evidence/log/note.ts';
import { parseOrigin } from '../../src/evidence/log/origin.ts';
import {
  ENROLMENT_RECORD_TYPE,
  ENROLMENT_SUMMARY_TYPE,
  type EnrolmentRecord,
  enrolmentEnvelope,
  recordPayload,
  summaryOf,
  summaryPayload,
  type TpmClass,
} from '../../src/evidence/wire/enrolment.ts';
import type { Envelope } from '../../src/evidence/wire/envelope.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { seedOf, TestKey, type TestLog } from './test-log.ts';
import type { TestTpm } from './test-tpm.ts';

export interface RecordWish {
  readonly class?: TpmClass;
  readonly tpm?: TestTpm;
  readonly issued?: string;
}

export class TestEnroller {
  readonly key: TestKey;
  readonly vkey: Vkey;

  constructor(name = 'enrolment.lockers.example') {
    this.key = new TestKey(seedOf(`service ${name}`));
    this.vkey = logVkey(nodeCrypto, name, this.key.publicKey);
  }

  /** Its row in a policy. */
  row(...domains: readonly string[]): object {
    return { vkey: formatVkey(this.vkey), domains: domains.length === 0 ? ['lockers.example'] : domains };
  }

  recordOf(log: Pick<TestLog, 'origin' | 'vkey'>, wish: RecordWish): EnrolmentRecord {
    const { tpm, issued = '2026-11-22T00:00:00.000Z' } = wish;
    const origin = parseOrigin(log.origin);
    if (!origin.ok) throw new Error(origin.detail);
    const zeros = '00'.repeat(32);
    return {
      gateway: origin.value.gateway,
      log: log.vkey,
      class: wish.class ?? (tpm === undefined ? 'software' : 'hardware'),
      issued,
      challenge: 'A'.repeat(22),
      ...(tpm !== undefined && {
        tpm: {
          ak: base64(tpm.ak.spki),
          ak_name: hex(tpm.ak.name),
          counter: hex(tpm.counterName),
          counter_value: 1,
          ek_cert: base64(new Uint8Array(300)),
          firmware: '00070055000000ff',
          login: base64(tpm.ak.spki),
          manufacturer: '49465800',
          model: 'SLB9672',
          version: 'id:000F000A',
          pcr_digest: zeros,
          pcr_select: 'ff0000',
          reset_count: 3,
          restart_count: 0,
          sealed: `000b${zeros}`,
          srk: `000b${zeros}`,
        },
      }),
    };
  }

  record(log: Pick<TestLog, 'origin' | 'vkey'>, wish: RecordWish = {}): Envelope {
    return this.#signed(ENROLMENT_RECORD_TYPE, recordPayload(this.recordOf(log, wish)));
  }

  summary(log: Pick<TestLog, 'origin' | 'vkey'>, wish: RecordWish = {}): Envelope {
    return this.#signed(ENROLMENT_SUMMARY_TYPE, summaryPayload(summaryOf(nodeCrypto, this.recordOf(log, wish))));
  }

  #signed(type: string, payload: Uint8Array): Envelope {
    return enrolmentEnvelope(type, payload, this.vkey, this.key.sign(pae(type, payload)));
  }
}

/** The same, with one bit of its signature changed. */
export function spoiled(envelope: Envelope): Envelope {
  const signatures = envelope.signatures.map(({ keyid, sig }) => ({
    keyid,
    sig: Uint8Array.from(sig, (byte, i) => (i === 7 ? byte ^ 1 : byte)),
  }));
  return { ...envelope, signatures };
}
