/** An enrolment service over a store in memory, with vendors, tokens and boxes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import type { Logger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { loadAuthorities } from '../../../src/risk/enrolment/authorities.ts';
import { DenyList, type DenyListSettings } from '../../../src/risk/enrolment/deny-list.ts';
import type { EkTrust } from '../../../src/risk/enrolment/ek.ts';
import type { Challenge, Outcome } from '../../../src/risk/enrolment/messages.ts';
import { EnrolmentService, type ServiceRules } from '../../../src/risk/enrolment/service.ts';
import { openServiceKey, type ServiceKey } from '../../../src/risk/enrolment/service-key.ts';
import { newToken } from '../../../src/risk/enrolment/tokens.ts';
import { MemoryEnrolmentStore } from '../../contract/memory-enrolment-store.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { type TestBox, utf8Json } from '../../support/test-box.ts';
import { EK_EXTENSIONS, type TestAuthority, TestCa } from '../../support/test-ca.ts';

/** All that one vendor's authority certifies. */
export interface Vendors {
  readonly dir: TempDir;
  readonly ca: TestCa;
  readonly root: TestAuthority;
  readonly intermediate: TestAuthority;
  readonly emulatedRoot: TestAuthority;
  readonly trust: (deny?: Partial<DenyListSettings>) => Promise<EkTrust>;
  certified(box: TestBox, issuer?: TestAuthority): TestBox;
}

export function makeVendors(): Vendors {
  const dir = makeTempDir('vendors');
  const ca = new TestCa(dir);
  const root = ca.authority('Vendor Root');
  const intermediate = ca.authority('Vendor Intermediate', { issuer: root, rsaBits: 2048 });
  const emulatedRoot = ca.authority('Cloud Root');
  for (const kind of ['hardware', 'emulated']) mkdirSync(dir.file('roots', kind), { recursive: true });
  writeFileSync(dir.file('roots', 'hardware', 'vendor.pem'), `${root.pem}\n${intermediate.pem}`);
  writeFileSync(dir.file('roots', 'emulated', 'cloud.pem'), emulatedRoot.pem);
  return {
    dir,
    ca,
    root,
    intermediate,
    emulatedRoot,
    trust: async (deny = {}) => ({
      authorities: await loadAuthorities(dir.file('roots')),
      denyList: new DenyList(nodeCrypto, { certificates: [], firmware: [], ...deny }),
    }),
    certified(box, issuer = intermediate) {
      box.ekCert = ca.certificate({ publicKey: box.ekKey, issuer, extensions: EK_EXTENSIONS });
      return box;
    },
  };
}

export class LogLines implements Logger {
  readonly lines: string[] = [];
  readonly #take = (fields: object, message: string): void => {
    this.lines.push(`${JSON.stringify(fields)} ${message}`);
  };
  readonly debug = this.#take;
  readonly info = this.#take;
  readonly warn = this.#take;
  readonly error = this.#take;
  child(): Logger {
    return this;
  }
}

export interface Bench {
  readonly service: EnrolmentService;
  readonly store: MemoryEnrolmentStore;
  readonly key: ServiceKey;
  readonly clock: ManualScheduler;
  readonly log: LogLines;
  token(gateway: string, lifeMs?: number): Promise<string>;
  begin(token: string | undefined, request: unknown): ReturnType<EnrolmentService['begin']>;
  challenge(box: TestBox, token?: string): Promise<Challenge>;
  answer(box: TestBox, challenge: Challenge, answer?: unknown): ReturnType<EnrolmentService['answer']>;
  enrol(box: TestBox): Promise<Outcome>;
}

export async function makeBench(
  vendors: Vendors,
  options: { readonly rules?: Partial<ServiceRules>; readonly deny?: Partial<DenyListSettings> } = {},
): Promise<Bench> {
  const store = new MemoryEnrolmentStore();
  const clock = new ManualScheduler(Date.now() + 60_000);
  const log = new LogLines();
  const { key } = await openServiceKey(nodeCrypto, vendors.dir.file('enrolment.key'), 'enrolment.lockers.example');
  const trust = await vendors.trust(options.deny);
  const service = new EnrolmentService({
    cryptos: { evidence: nodeCrypto, tpm: nodeTpmCrypto },
    rules: {
      domains: ['lockers.example'],
      classes: ['hardware', 'emulated', 'software'],
      approve: 'doubtful',
      challengeLifeMs: 60_000,
      challengesMax: 100,
      ...options.rules,
    },
    trust: () => trust,
    store,
    key,
    clock,
    logger: log,
  });
  const bench: Bench = {
    service,
    store,
    key,
    clock,
    log,
    async token(gateway, lifeMs = 3_600_000) {
      const made = newToken(gateway, clock.wallMs() + lifeMs);
      await store.addTokens([made.row]);
      return made.token;
    },
    begin: (token, request) => service.begin(token, utf8Json(request)),
    async challenge(box, token) {
      const challenge = await bench.begin(token ?? (await bench.token(box.gateway)), box.request());
      if (!challenge.ok) throw new Error(`refused: ${challenge.reason}`);
      return challenge.value;
    },
    answer: (box, challenge, answer) =>
      service.answer(box.gateway, challenge.id, utf8Json(answer ?? box.answer(challenge))),
    async enrol(box) {
      const outcome = await bench.answer(box, await bench.challenge(box));
      if (!outcome.ok) throw new Error(`refused: ${outcome.reason}`);
      return outcome.value;
    },
  };
  return bench;
}
