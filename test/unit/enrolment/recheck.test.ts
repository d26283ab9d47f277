/** Boxes that were enrolled before a vendor took their certificate back: a proposal, and a revocation only where it is set. */
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parsePolicy } from '../../../src/evidence/verify/policy.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { readCertificate } from '../../../src/risk/enrolment/certificate.ts';
import { readCrl } from '../../../src/risk/enrolment/crl.ts';
import { checkEk, type EkTrust, revokedSince } from '../../../src/risk/enrolment/ek.ts';
import { readGateway } from '../../../src/risk/enrolment/gateway-book.ts';
import { policyText } from '../../../src/risk/enrolment/policy.ts';
import { proposedCommand, Rechecker, recheck } from '../../../src/risk/enrolment/recheck.ts';
import { RevocationLists } from '../../../src/risk/enrolment/revocation.ts';
import { MemoryEnrolmentStore } from '../../contract/memory-enrolment-store.ts';
import { TestBox } from '../../support/test-box.ts';
import { until } from '../../support/until.ts';
import { type Bench, LogLines, makeBench, makeVendors, type Vendors } from './bench.ts';

let vendors: Vendors;
let bench: Bench;
let boxes: readonly TestBox[];
let calm: EkTrust;
let revoked: EkTrust;

beforeAll(async () => {
  vendors = makeVendors();
  bench = await makeBench(vendors);
  boxes = ['gw-a', 'gw-b'].map((gateway) => vendors.certified(new TestBox(gateway)));
  for (const box of boxes) await bench.enrol(box);
  const trust = await vendors.trust();
  const [bad] = boxes;
  const serial = new X509Certificate(bad?.ekCert ?? '').serialNumber;
  const listed = (serials: readonly string[]): EkTrust => {
    const list = readCrl(vendors.ca.crl(vendors.intermediate, { revoked: [...serials] }));
    if (typeof list === 'string') throw new Error(list);
    // Nothing covers the intermediate: what a list says of the box counts all the same.
    return { ...trust, revocation: new RevocationLists([list], 'require') };
  };
  calm = listed([]);
  revoked = listed([serial]);
});
afterAll(() => vendors.dir.remove());

const log = (at: number): string => boxes[at]?.log.vkey.name ?? '';

test('a list that names the box makes a proposal for each of its logs, and none for the others', async () => {
  expect(await recheck(bench.store, calm)).toEqual({ proposals: [], unread: [] });
  expect(await recheck(bench.store, await vendors.trust())).toEqual({ proposals: [], unread: [] });
  const { proposals } = await recheck(bench.store, revoked);
  expect(proposals).toEqual([{ gateway: 'gw-a', log: log(0), reason: 'certificate_revoked' }]);
  expect(proposals.map(proposedCommand)).toEqual([
    `latchkey enrolments revoke gw-a ${log(0)} --size 0 --by NAME --why certificate_revoked`,
  ]);
});

test('a certificate that the operator denied since is one, too', async () => {
  const denied = Buffer.from(nodeCrypto.sha256(boxes[1]?.ekCert ?? new Uint8Array(0))).toString('hex');
  const trust = await vendors.trust({ certificates: [denied] });
  const { proposals } = await recheck(bench.store, trust);
  expect(proposals).toMatchObject([{ reason: 'certificate_denied' }]);
});

test('what was revoked stays so when an authority above it has expired', async () => {
  const old = vendors.ca.authority('Vendor Intermediate of old', { issuer: vendors.root, days: -1 });
  const box = vendors.certified(new TestBox('gw-old'), old);
  const authorities = (await vendors.trust()).authorities.map(({ certificate }) => certificate);
  const intermediate = readCertificate(new X509Certificate(old.pem).raw);
  const list = readCrl(vendors.ca.crl(old, { revoked: [new X509Certificate(box.ekCert).serialNumber] }));
  if (typeof list === 'string' || intermediate === undefined) throw new Error('no list');
  const trust: EkTrust = {
    ...calm,
    authorities: [...authorities, intermediate].map((certificate) => ({ certificate, class: 'hardware' })),
    revocation: new RevocationLists([list], 'if_present'),
  };
  const asked = { certificate: box.ekCert, public: new Uint8Array(0) };
  expect(checkEk(trust, asked, bench.clock.wallMs())).toMatchObject({ reason: 'certificate_validity' });
  expect(revokedSince(trust, box.ekCert)).toBe('certificate_revoked');
});

test('a history that cannot be read is named, and holds up none of the others', async () => {
  const store = new MemoryEnrolmentStore();
  for (const gateway of await bench.store.gateways()) {
    for (const [i, text] of (await bench.store.read(gateway)).entries()) await store.append(gateway, i, text);
  }
  await store.append('gw-0', 0, 'half a li');
  expect(await recheck(store, revoked)).toMatchObject({
    proposals: [{ gateway: 'gw-a', log: log(0) }],
    unread: [{ gateway: 'gw-0', reason: expect.stringContaining('event 0 of gw-0 cannot be read') }],
  });
  const lines = new LogLines();
  const parts = { store, trust: () => revoked, scheduler: bench.clock, logger: lines, everyMs: 60_000 };
  const rechecker = new Rechecker({ ...parts, whenRevoked: 'revoke' });
  rechecker.start();
  await until('both are told', () => lines.lines.length > 1);
  await rechecker.stop();
  expect((await readGateway(store, 'gw-a')).logs.get(log(0))?.revoked).toMatchObject({ size: 0 });
});

test('while it serves, an alarm names the command once, and nothing is revoked without a person', async () => {
  const lines = new LogLines();
  let trust = calm;
  const parts = { store: bench.store, trust: () => trust, scheduler: bench.clock, logger: lines, everyMs: 60_000 };
  const rechecker = new Rechecker({ ...parts, whenRevoked: 'tell' });
  rechecker.start();
  await looked();
  expect(lines.lines).toEqual([]);
  trust = revoked;
  for (let i = 0; i < 3; i += 1) await looked();
  await until('it is told', () => lines.lines.length > 0);
  trust = { ...revoked };
  await looked();
  await rechecker.stop();
  expect(lines.lines).toHaveLength(1);
  expect(lines.lines[0]).toContain(`latchkey enrolments revoke gw-a ${log(0)}`);
  expect((await readGateway(bench.store, 'gw-a')).logs.get(log(0))?.revoked).toBeUndefined();
});

test('where the settings say so it revokes, so that the policy believes no tree of that log, and then proposes nothing', async () => {
  const lines = new LogLines();
  const parts = { store: bench.store, trust: () => revoked, scheduler: bench.clock, logger: lines, everyMs: 60_000 };
  const rechecker = new Rechecker({ ...parts, whenRevoked: 'revoke' });
  rechecker.start();
  await until('it is revoked', () => lines.lines.length > 0);
  await rechecker.stop();
  const states = await Promise.all(['gw-a', 'gw-b'].map((gateway) => readGateway(bench.store, gateway)));
  const policy = parsePolicy(
    nodeCrypto,
    Buffer.from(policyText(nodeCrypto, states, { witnesses: [], least_level: 'A0' })),
  );
  if (!policy.ok) throw new Error(JSON.stringify(policy.problems));
  expect(policy.value.logs.get(log(0))?.revokedAt).toEqual({ size: 0, root: nodeCrypto.sha256(new Uint8Array(0)) });
  expect(policy.value.logs.get(log(1))?.revokedAt).toBeUndefined();
  expect((await recheck(bench.store, revoked)).proposals).toEqual([]);
});

/** One more look of a service whose clock is held. */
async function looked(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
  bench.clock.advance(60_000);
}
