/**
 * An enrolled box whose database is damaged: it goes on in a new log that its AK vouches for, the consumer, whose policy
 * names the enrolled log alone, takes and receipts it, and the enrolment service hears of it from the box itself.
 */
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { GatewayStatus } from '../../src/edge/gateway/status.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { parseEnvelopeText } from '../../src/evidence/wire/envelope.ts';
import { parseSuccessor } from '../../src/evidence/wire/successor.ts';
import { runLatchkey } from '../support/child.ts';
import { startTestService } from '../support/enrolment-service.ts';
import { until } from '../support/until.ts';
import type { Rig } from './support/rig.ts';
import { makeTpmRig } from './support/tpm-rig.ts';

/** One byte of the body of a scan: no page, no index and no length is wrong, only what was signed. */
function damage(rig: Rig): void {
  const directory = join(rig.gatewayData, 'journal');
  const path = join(directory, readdirSync(directory).find((name) => name.endsWith('.db')) ?? '');
  const at = readFileSync(path).indexOf('code.scanned');
  if (at < 0) throw new Error(`no scan in ${path}`);
  const file = openSync(path, 'r+');
  writeSync(file, 'X', at);
  closeSync(file);
}

test('a box that quarantined its journal keeps delivering under its enrolment', async () => {
  const box = await makeTpmRig();
  const { rig, dir, tpm } = box;
  const roots = { emulated: [tpm.vendor.rootPath, tpm.vendor.issuerPath] };
  const service = await startTestService(dir.file('service'), { roots });
  try {
    await rig.gateway.stop();
    const gateway = rig.gatewayData.split('/').at(-1) ?? '';
    const retry = { first_ms: 20, max_ms: 200 };
    rig.gatewaySettings = {
      ...rig.gatewaySettings,
      enrolment: { url: service.url, service_key: service.key, retry },
    };
    rig.newGateway(gateway);
    writeFileSync(dir.file('token'), await service.token(gateway), { mode: 0o600 });
    const config = rig.dir.file('gateway.yaml');
    const enrolled = await runLatchkey(['enroll', '--config', config, '--token-file', dir.file('token')]);
    expect(enrolled.code, enrolled.err).toBe(0);
    // From here on the consumer believes what the service states, and nothing else.
    const policy = await service.policy(gateway);
    writeFileSync(rig.dir.file('policy.json'), policy);
    rig.consumer.signal('SIGHUP');
    await rig.startGateway();
    await rig.settle();
    const before = await rig.receipted();
    expect(before.enrolment).toMatchObject({ state: 'told', waiting: 0 });
    expect(policy).toContain(before.log.vkey);
    await rig.gateway.stop();
    damage(rig);
    await rig.startGateway();
    await rig.settle();
    const after = await rig.receipted();
    expect(after.log.origin).not.toBe(before.log.origin);
    expect(after.log.receipted).toBeGreaterThan(1);
    await expectAccepted(rig, before, after);
    await until('the service was told', () => existsAt(dir.file('service', 'data'), gateway, after.log.origin));
    const told = await rig.statusUntil('the box knows', ({ enrolment }) => enrolment?.state === 'told');
    expect(told.problems.join()).not.toContain('enrolment');
    const state = await service.state(gateway);
    expect(state.logs.get(after.log.origin)).toMatchObject({ vouchedBy: 'ak', isContested: false });
    expect(state.records).toHaveLength(1);
    // A verifier reads the same: anchored under the one enrolment, had a maker of chips vouched for this TPM.
    const next = (await service.policy(gateway)).replaceAll('"class": "emulated"', '"class": "hardware"');
    writeFileSync(dir.file('verifier.json'), next);
    const out = dir.file('export.ndjson');
    await rig.statusUntil('the new log is anchored', (status) => (status.tpm?.anchors.lastSize ?? 0) > 1);
    const exported = await runLatchkey(['journal', 'export', '--config', config, '--out', out]);
    expect(exported.code, exported.err).toBe(0);
    const verdict = await runLatchkey(['verify', out, '--policy', dir.file('verifier.json'), '--json']);
    expect(JSON.parse(verdict.out)).toMatchObject({
      outcome: 'verified',
      logs: [{ origin: after.log.origin, level: 'A2' }],
    });
  } finally {
    await service.stop();
    await box.close();
  }
});

/** Entry 0 says why, and what the consumer remembers of its trust is the successor statement. */
async function expectAccepted(rig: Rig, before: GatewayStatus, after: GatewayStatus): Promise<void> {
  const stored = rig.stored().find((log) => log.origin === after.log.origin);
  const opened = JSON.parse(stored?.entries[0]?.line ?? '{}') as CustodyEvent;
  expect(opened.data).toMatchObject({ after: { log: before.log.origin, cause: 'quarantine' } });
  expect(rig.oracle.judge(rig.stored())).toEqual([]);
  const kept = readdirSync(rig.storeDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /trust|believ/.test(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
  const statements = kept
    .flatMap((text) => text.split('\n'))
    .flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { statement?: string }).statement ?? '']))
    .map((text) => parseEnvelopeText(text))
    .flatMap((envelope) => (envelope.ok ? [parseSuccessor(envelope.value)] : []));
  const about = statements.filter((each) => each.ok && each.value.successor.name === after.log.origin);
  expect(about.length).toBeGreaterThan(0);
}

function existsAt(directory: string, gateway: string, origin: string): boolean {
  const history = join(directory, 'gateways', gateway);
  const events = readdirSync(history).map((name) => readFileSync(join(history, name), 'utf8'));
  return events.some((text) => text.includes('"signed":"ak"') && text.includes(origin));
}
