/** Roots, deny list and revocation lists, changed while the service serves. */
import { createHash, X509Certificate } from 'node:crypto';
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { checkEk } from '../../../src/risk/enrolment/ek.ts';
import { TrustFiles, type TrustSettings } from '../../../src/risk/enrolment/trust-files.ts';
import { writePublic } from '../../../src/tpm2/public.ts';
import type { TestBox } from '../../support/test-box.ts';
import { until } from '../../support/until.ts';
import { LogLines } from './bench.ts';
import { refusing } from './refusing.ts';

const shared = refusing();
const { isRefused, soundBox } = shared;
let count = 0;

/** As an operator should: whole, by its name at once. */
function put(path: string, content: string | Uint8Array): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

async function open(change: Partial<TrustSettings> = {}) {
  const { dir } = shared.vendors;
  count += 1;
  const own = (...names: readonly string[]): string => dir.file(`trust-${count}`, ...names);
  mkdirSync(own('crls'), { recursive: true });
  cpSync(dir.file('roots'), own('roots'), { recursive: true });
  put(own('deny.yaml'), 'certificates: []\n');
  const scheduler = new ManualScheduler(Date.now() + 60_000);
  const logger = new LogLines();
  const settings: TrustSettings = {
    ek_roots: own('roots'),
    deny_list: own('deny.yaml'),
    crls: { dir: own('crls'), check: 'if_present' },
    reread_s: 60,
    ...change,
  };
  const files = await TrustFiles.open({ settings, scheduler, logger });
  const check = (box: TestBox) =>
    checkEk(files.current(), { certificate: box.ekCert, public: writePublic(box.ekPublic) }, scheduler.wallMs());
  return { files, check, own, scheduler, logger, settings };
}

test('a changed root, deny list or revocation list counts from the next look on', async () => {
  const { files, check, own } = await open();
  const { ca, intermediate } = shared.vendors;
  const [box, other] = [soundBox(), soundBox()];
  expect(check(box).ok).toBe(true);
  const before = files.current();
  await files.look();
  expect(files.current()).toBe(before);
  const serial = new X509Certificate(box.ekCert).serialNumber;
  put(own('crls', 'vendor.crl'), ca.crl(intermediate, { revoked: [serial] }));
  await files.look();
  isRefused(check(box), 'certificate_revoked');
  expect(check(other).ok).toBe(true);
  const hash = createHash('sha256').update(other.ekCert).digest('hex');
  put(own('deny.yaml'), `certificates: ['${hash}']\n`);
  await files.look();
  isRefused(check(other), 'certificate_denied');
  const stranger = ca.authority('New Vendor');
  const late = shared.vendors.certified(soundBox(), stranger);
  isRefused(check(late), 'chain_unknown');
  put(own('roots', 'hardware', 'new.pem'), stranger.pem);
  await files.look();
  expect(check(late).ok).toBe(true);
  rmSync(own('roots', 'hardware', 'new.pem'));
  await files.look();
  isRefused(check(late), 'chain_unknown');
});

test('a broken file keeps all that was believed before, is said once, and counts when it is mended', async () => {
  const { files, check, own, logger } = await open();
  const { ca, intermediate } = shared.vendors;
  const box = soundBox();
  const hash = createHash('sha256').update(box.ekCert).digest('hex');
  const alarms = () => logger.lines.filter((line) => line.includes('trust_files_broken'));
  const broken: readonly (readonly [string, string])[] = [
    ['roots/hardware/broken.pem', 'no certificate'],
    ['crls/broken.crl', 'no list'],
  ];
  for (const [i, [name, content]] of broken.entries()) {
    // Sound, and of no effect while its neighbour is broken: old and new are never mixed.
    put(own('deny.yaml'), `certificates: ['${hash}'] # ${i}\n`);
    put(own(name), content);
    await files.look();
    expect(check(box).ok).toBe(true);
    expect(alarms()).toHaveLength(i + 1);
    expect(alarms().at(-1)).toContain(name.split('/').at(-1));
    await files.look();
    expect(alarms()).toHaveLength(i + 1);
    rmSync(own(name));
    put(own('deny.yaml'), `certificates: [] # ${i}\n`);
    await files.look();
  }
  put(own('deny.yaml'), 'certificates: 7\n');
  await files.look();
  expect(check(box).ok).toBe(true);
  expect(alarms()).toHaveLength(3);
  put(own('deny.yaml'), 'certificates: []\n');
  put(own('crls', 'vendor.pem'), ca.crl(intermediate, { revoked: [new X509Certificate(box.ekCert).serialNumber] }));
  await files.look();
  isRefused(check(box), 'certificate_revoked');
});

test('it looks by itself every so often, and does not start with a file that it cannot read', async () => {
  const { files, check, own, scheduler, settings, logger } = await open();
  const { ca, intermediate } = shared.vendors;
  const box = soundBox();
  files.start();
  const old = { revoked: [new X509Certificate(box.ekCert).serialNumber], fromMs: 0, toMs: 86_400_000 };
  put(own('crls', 'vendor.crl'), ca.crl(intermediate, old));
  scheduler.advance(60_000);
  await until('the list was read', () => !check(box).ok);
  expect(logger.lines.some((line) => line.includes('not current any more'))).toBe(true);
  await files.stop();
  put(own('crls', 'broken.crl'), 'no list');
  await expect(TrustFiles.open({ settings, scheduler, logger })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  const missing = { ...settings, crls: { dir: own('nowhere'), check: 'require' as const } };
  await expect(TrustFiles.open({ settings: missing, scheduler, logger })).rejects.toThrow(/nowhere/);
});
