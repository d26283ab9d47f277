/** Rotation and erasure while no gateway runs: under the journal's lock, and told from a run of the gateway. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { eraseOffline, type OfflineParts, rotateOffline } from '../../../src/edge/gateway/journal-acts.ts';
import { gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';
import type { EraseSelection } from '../../../src/edge/journal/erase.ts';
import { Box } from '../journal-set/box.ts';

const ANNA = '2026-11.AAAAAAAAAAAAAAAAAAAAAA';
const selection: EraseSelection = { kind: 'references', references: [ANNA] };

let box: Box;
beforeEach(async () => {
  box = new Box();
  await box.start();
  await box.compare();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await box.end();
});

function parts(): OfflineParts {
  const settings = gatewaySettingsSchema.parse({
    gateway: { id: 'gw-0001', operator_domain: 'lockers.example', data_dir: box.dir },
    keys: 'software',
    mqtt: { url: 'mqtt://127.0.0.1:1' },
    references: { kind: 'clear' },
    receivers: [{ vkey: box.store.vkey, role: 'store' }],
  });
  return { settings, version: '0.1.0', logger: silentLogger, signal: AbortSignal.timeout(60_000) };
}

async function say(type: string, data: Readonly<Record<string, string | number>>, ref?: string): Promise<void> {
  const observed = { wallMs: 0, upMs: 9, clock: { src: 'none' as const } };
  const body = { type, data, ...(ref !== undefined && { device: 'scanner-1', parcel: { ref, scheme: 'sscc' } }) };
  box.journal.appender.append({ observed, body });
  await box.journal.appender.flush(AbortSignal.timeout(10_000));
}

function hashOf(origin: string): string {
  const path = join(box.dir, 'journal', `${origin.split('/')[2]}.db`);
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

test('a rotation after a clean stop does not make the next start tell a crash', async () => {
  await say('gateway.stopped', { reason: 'signal' });
  const old = box.journal.origin();
  await box.stop();
  const rotation = await rotateOffline(parts());
  expect(rotation).toMatchObject({ old: { origin: old, size: 3 }, isVouched: false });
  await box.start();
  expect(box.journal.origin()).toBe(rotation.next.origin);
  expect(box.journal.previousEnd).toMatchObject({ clean: true, boot: 1 });
  await box.compare();
  await box.record(1);
  await box.send();
  // The statement that the rotation owed was made after the comparison.
  expect(box.journal.log().record.statement).toBeDefined();
  expect(box.consumer.violations).toEqual([]);
});

test('a rotation after a crash does not hide it', async () => {
  await box.record(1);
  await box.stop();
  await rotateOffline(parts());
  await box.start();
  expect(box.journal.previousEnd).toMatchObject({ clean: false });
});

test('a start after commands is told where the last run of the gateway ended: nobody looked since then', async () => {
  await say('code.scanned', { size_bytes: 20 }, ANNA);
  await box.send();
  await say('gateway.stopped', { reason: 'signal' });
  const old = box.journal.origin();
  await box.stop();
  const end = { origin: old, index: 2, clean: true, boot: 1, upMs: 9 };
  await eraseOffline(parts(), selection, true);
  await box.start();
  expect(box.journal.previousEnd).toMatchObject(end);
  await box.stop();
  // Also through several of them, and into another log.
  await rotateOffline(parts());
  await rotateOffline(parts());
  await box.start();
  expect(box.journal.origin()).not.toBe(old);
  expect(box.journal.previousEnd).toMatchObject(end);
  // A run of the gateway counts again by itself.
  await say('gateway.stopped', { reason: 'signal' });
  await box.stop();
  await box.start();
  expect(box.journal.previousEnd).toMatchObject({ origin: box.journal.origin(), boot: 2, clean: true });
});

test('a dry run changes no byte; done, the bodies are gone and the log verifies', async () => {
  await say('code.scanned', { size_bytes: 20 }, ANNA);
  await box.send();
  await say('gateway.stopped', { reason: 'signal' });
  const origin = box.journal.origin();
  await box.stop();
  const before = hashOf(origin);
  expect(await eraseOffline(parts(), selection, false)).toMatchObject({ outcome: 'found', logs: [{ indices: [1] }] });
  expect(hashOf(origin)).toBe(before);
  expect(await eraseOffline(parts(), selection, true)).toMatchObject({ outcome: 'erased', logs: [{ erased: 1 }] });
  expect(readFileSync(join(box.dir, 'journal', `${origin.split('/')[2]}.db`)).includes(ANNA)).toBe(false);
  await box.start();
  expect(await box.journal.check(origin, AbortSignal.timeout(10_000))).toMatchObject({ sound: true, reduced: 1 });
  expect(box.journal.previousEnd).toMatchObject({ clean: true });
});

test('what no store has receipted is refused offline too', async () => {
  await say('code.scanned', { size_bytes: 20 }, ANNA);
  await box.stop();
  expect(await eraseOffline(parts(), selection, true)).toMatchObject({
    outcome: 'refused',
    logs: [{ found: 1, erased: 0, firstWaiting: 1 }],
  });
});

test('while a gateway runs, as another user, or where no journal is: refused by name', async () => {
  await expect(rotateOffline(parts())).rejects.toMatchObject({ code: 'JOURNAL_BUSY' });
  await box.stop();
  const found = process.getuid?.() ?? 0;
  vi.spyOn(process, 'getuid').mockReturnValue(found + 1);
  await expect(rotateOffline(parts())).rejects.toMatchObject({ code: 'KEY_PERMISSIONS' });
  vi.restoreAllMocks();
  const none = parts();
  const gateway = { ...none.settings.gateway, data_dir: join(box.root, 'nowhere') };
  await expect(rotateOffline({ ...none, settings: { ...none.settings, gateway } })).rejects.toMatchObject({
    code: 'JOURNAL_MISSING',
  });
});
