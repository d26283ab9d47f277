/** An enrolled box that tells the real service which log follows which, while it runs. */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import type { EnrolmentServiceSettings } from '../../../src/edge/gateway/enrolment-settings.ts';
import { tellingFindings } from '../../../src/edge/gateway/findings-of-parts.ts';
import { storedEnrolment } from '../../../src/edge/gateway/own-enrolment.ts';
import { SuccessorDuty } from '../../../src/edge/gateway/successor-duty.ts';
import { SoftwareKeyStore } from '../../../src/edge/keys/software-key-store.ts';
import { formatVkey, type Vkey } from '../../../src/evidence/log/note.ts';
import type { Envelope } from '../../../src/evidence/wire/envelope.ts';
import { SUCCESSOR_TYPE, successorEnvelope, successorPayload } from '../../../src/evidence/wire/successor.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { choose, revoke } from '../../../src/risk/enrolment/decisions.ts';
import { FileEnrolmentStore } from '../../../src/risk/enrolment/file-store.ts';
import { boxSettings, enrollBox, startMeddler } from '../../support/enrolling-box.ts';
import { startTestService, type TestService } from '../../support/enrolment-service.ts';
import type { TempDir } from '../../support/temp-dir.ts';
import { testLogKey } from '../../support/test-box.ts';
import { until } from '../../support/until.ts';
import { LogLines, makeVendors } from '../../unit/enrolment/bench.ts';

let dir: TempDir;
let service: TestService;
/** Over TLS, of the same histories. */
let secure: TestService;
let asked = 0;
let isReachable = true;
let line: Awaited<ReturnType<typeof startMeddler>>;
const certificate = (): string => dir.file('tls.crt');

function makeCertificate(name: string): void {
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '9'];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', [...args, ...subject, '-keyout', dir.file(`${name}.key`), '-out', dir.file(`${name}.crt`)], {
    stdio: 'ignore',
  });
}

beforeAll(async () => {
  dir = makeVendors().dir;
  const roots = { hardware: [dir.file('roots', 'hardware', 'vendor.pem')] };
  makeCertificate('tls');
  makeCertificate('other');
  service = await startTestService(dir.file('service'), { roots });
  const tls = { cert_file: certificate(), key_file: dir.file('tls.key') };
  secure = await startTestService(dir.file('service'), { roots, tls });
  line = await startMeddler(service, () => {
    asked += 1;
    return isReachable ? undefined : 'cut';
  });
});

afterAll(async () => {
  await line.close();
  await service.stop();
  await secure.stop();
  dir.remove();
});

/** A box that the service has enrolled, and what a running journal is to the duty. */
async function enrolledBox(gateway: string) {
  const settings = boxSettings(dir.file(gateway), 'software', gateway);
  await enrollBox(settings, service, await service.token(gateway));
  const stored = storedEnrolment(settings);
  if (stored === undefined) throw new Error('enrolled a moment ago');
  const store = await SoftwareKeyStore.open(join(settings.gateway.data_dir, 'keys'), nodeCrypto);
  const signer = await store.open(stored.record.log.name);
  const statements: Envelope[] = [];
  const listeners = new Set<() => void>();
  let saved: string | undefined;
  const journal = {
    statements: () => [...statements],
    loadState: () => saved,
    saveState: (_name: string, text: string) => {
      saved = text;
    },
    outbox: {
      onChange: (listener: () => void): (() => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  };
  const log = new LogLines();
  const begin = (change: Partial<EnrolmentServiceSettings> = {}): SuccessorDuty => {
    const retry = { first_ms: 10, max_ms: 40 };
    const duty = new SuccessorDuty({
      settings: { url: line.url, timeout_ms: 20_000, retry, ...change },
      stored,
      journal,
      scheduler: systemScheduler(),
      logger: log,
    });
    duty.start();
    return duty;
  };
  const follow = async (next: Vkey): Promise<void> => {
    const payload = successorPayload({ gateway, old: signer.origin, successor: next, cause: 'quarantine' });
    statements.push(
      successorEnvelope(payload, stored.record.log.keyId, await signer.signEnvelope(SUCCESSOR_TYPE, payload)),
    );
    for (const listener of listeners) listener();
  };
  return { begin, follow, log, stored };
}

const isTold = (duty: SuccessorDuty) => (): boolean => duty.status().state === 'told';

test('a statement whose answer was lost is told again until it is taken, also after a restart, and never after that', async () => {
  const { begin, follow, log } = await enrolledBox('gw-away');
  const next = testLogKey('gw-away', 2).vkey;
  isReachable = false;
  const first = begin();
  expect(first.status()).toEqual({ service: line.url, state: 'told', waiting: 0 });
  const before = asked;
  await follow(next);
  await until('it was tried three times', () => asked >= before + 3);
  expect(first.status()).toMatchObject({ state: 'waiting', waiting: 1 });
  await until('the reason is known', () => first.status().reason !== undefined);
  expect(first.status().reason).toContain('SERVICE_UNREACHABLE');
  await first.stop();
  isReachable = true;
  const second = begin();
  await until('the service has taken it', isTold(second));
  expect((await service.state('gw-away')).logs.get(next.name)).toMatchObject({ vouchedBy: 'log', isContested: false });
  await second.stop();
  const after = asked;
  const third = begin();
  await follow(next);
  await until('the same again is known to be told', isTold(third));
  await third.stop();
  expect(asked).toBe(after);
  expect(log.lines.some((each) => each.includes('tried again'))).toBe(true);
});

test('a service is believed under its certificate alone, and one that enrolled this box under its key alone', async () => {
  const { begin, follow, stored } = await enrolledBox('gw-tls');
  await follow(testLogKey('gw-tls', 2).vkey);
  const stranger = begin({ url: secure.url, ca_file: dir.file('other.crt') });
  await until('the certificate was refused', () => stranger.status().reason !== undefined);
  expect(stranger.status().reason).toMatch(/self-signed|certificate/);
  await stranger.stop();
  const gone = begin({ url: secure.url, ca_file: dir.file('nowhere.crt') });
  await until('the file was missed', () => gone.status().reason?.includes('nowhere.crt') === true);
  // A file that comes later needs no new start.
  writeFileSync(dir.file('nowhere.crt'), execFileSync('cat', [certificate()]));
  await until('the service has taken it', isTold(gone));
  await gone.stop();
  rmSync(dir.file('nowhere.crt'));
  const other = testLogKey('gw-tls', 3).vkey;
  const wrong = begin({ service_key: formatVkey({ ...stored.vkey, name: 'enrolment.other.example' }) });
  await follow(other);
  await until('the key was refused', () => wrong.status().reason !== undefined);
  expect(wrong.status().reason).toContain('service_key is of another service');
  await wrong.stop();
});

test('a second successor is contested until a person chooses it', async () => {
  const gateway = 'gw-fork';
  const { begin, follow } = await enrolledBox(gateway);
  const [first, rival] = [testLogKey(gateway, 2).vkey, testLogKey(gateway, 3).vkey];
  const duty = begin();
  await follow(first);
  await until('the first is taken', isTold(duty));
  await follow(rival);
  await until('the second is contested', () => duty.status().state === 'contested');
  expect(duty.status()).toMatchObject({ waiting: 1, reason: expect.stringContaining('must choose') });
  const store = await FileEnrolmentStore.open(dir.file('service', 'data'));
  await choose({ store, clock: systemScheduler(), by: 'ops', why: 'the first was a test' }, gateway, rival.name);
  await until('it is taken when it was chosen', isTold(duty));
  await duty.stop();
});

test('what the service refuses is shown, with its reason', async () => {
  const gateway = 'gw-refused';
  const { begin, follow } = await enrolledBox(gateway);
  const first = testLogKey(gateway, 2).vkey;
  const store = await FileEnrolmentStore.open(dir.file('service', 'data'));
  const [log] = [...(await service.state(gateway)).logs.keys()];
  const root = Buffer.alloc(32, 7).toString('base64');
  await revoke({ store, clock: systemScheduler(), by: 'ops', why: 'stolen' }, gateway, log ?? '', { size: 3, root });
  const duty = begin();
  await follow(first);
  await until('it is refused', () => duty.status().state === 'refused');
  expect(duty.status().reason).toContain('successor_revoked');
  expect(tellingFindings(duty.status())).toHaveLength(1);
  await duty.stop();
});
