/** Secrets of sources that change while the service runs. */
import { createHmac } from 'node:crypto';
import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.ts';
import { utf8 } from '../../../src/base/bytes.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { openSource } from '../../../src/risk/sources/authenticate.ts';
import { FreshSources } from '../../../src/risk/sources/fresh-sources.ts';
import { SourcesRoom } from '../../../src/risk/sources/room.ts';
import { sourcesSchema } from '../../../src/risk/sources/settings.ts';
import type { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { TextLogger } from '../intake/harness.ts';

const dir = makeTempDir('fresh-sources');
afterAll(() => dir.remove());

const owner = { tenant: 'default', region: 'eu' };
/** What is refused at the door asks no database. */
const NOBODYS = {} as RiskDatabase;

test('a secret that changed is taken within a second, a broken one leaves the old one and is said once', async () => {
  const file = dir.file('secret');
  const place = (secret: string): void => {
    writeFileSync(`${file}.new`, `${secret}\n`);
    chmodSync(`${file}.new`, 0o600);
    renameSync(`${file}.new`, file);
  };
  place('the-first-secret-of-it');
  const auth = { type: 'hmac', secret_files: [file], signature_header: 'x-s', timestamp_header: 'x-t', separator: '.' };
  const [settings] = sourcesSchema.parse([{ name: 'a', kind: 'carrier', auth }]);
  const clock = new ManualScheduler(1_800_000_000_000);
  const [logger, metrics] = [new TextLogger(), new MemoryMetrics()];
  const opened = await openSource(present(settings, 'a source'), nodeCrypto);
  const parts = { sources: [opened], crypto: nodeCrypto, clock, logger, metrics };
  const sources = new FreshSources(parts);
  const taken = async (secret: string): Promise<boolean> => {
    clock.advance(1_000);
    const signature = createHmac('sha256', secret).update('1800000000.{}').digest('hex');
    const source = present(await sources.current('a'), 'the source');
    return source.check(new Headers({ 'x-s': signature, 'x-t': '1800000000' }), utf8('{}')).ok;
  };
  expect([await taken('the-first-secret-of-it'), await taken('the-other-secret-of-it')]).toEqual([true, false]);
  place('the-other-secret-of-it');
  expect([await taken('the-other-secret-of-it'), await taken('the-first-secret-of-it')]).toEqual([true, false]);
  expect(metrics.value('sources_secrets_up')).toBe(1);
  // The room that takes webhooks asks for them, too: what it refuses now is what is said, and no longer who says it.
  const room = new SourcesRoom({ ...owner, ...parts, database: NOBODYS });
  clock.advance(1_000);
  const signature = createHmac('sha256', 'the-first-secret-of-it').update('1800000000.{}').digest('hex');
  const headers = new Headers({ 'x-s': signature, 'x-t': '1800000000' });
  expect(await room.take('a', headers, utf8('{}'))).toMatchObject({ reason: 'bad_signature' });
  place('the-first-secret-of-it');
  clock.advance(1_000);
  expect(await room.take('a', headers, utf8('{}'))).toMatchObject({ reason: 'schema' });
  place('the-other-secret-of-it');
  expect(await taken('the-other-secret-of-it')).toBe(true);
  place('short');
  for (let look = 0; look < 3; look += 1) expect(await taken('the-other-secret-of-it')).toBe(true);
  expect(metrics.value('sources_secrets_up')).toBe(0);
  const said = () => logger.text.split('\n').filter((line) => line.includes('cannot be read again'));
  expect(said()).toHaveLength(1);
  expect(logger.text).not.toContain('short');
  rmSync(file);
  expect(await taken('the-other-secret-of-it')).toBe(true);
  place('the-third-secret-of-it');
  expect([await taken('the-third-secret-of-it'), await taken('the-other-secret-of-it')]).toEqual([true, false]);
  expect(metrics.value('sources_secrets_up')).toBe(1);
  expect(await sources.current('nobody')).toBeUndefined();
});
