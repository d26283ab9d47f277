/** `npm run demo -- --json` as somebody else's script sees it: exit code, last line, and the files that it names. */
import { createPublicKey } from 'node:crypto';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runToEnd } from '../../../simulators/demo/child-process.ts';
import { runLatchkey } from '../../support/child.ts';

/** The build under test: the checkout's own, or that whose command line is named. */
const CLI = process.env['LATCHKEY_TEST_MAIN'] ?? join(import.meta.dirname, '../../../dist/src/cli/main.js');
const MAIN = join(dirname(CLI), '../../simulators/demo/main.js');
const LIMIT_MS = 280_000;

interface Summary {
  readonly events: number;
  readonly data_dir: string;
  readonly vkey: string;
  readonly export: string;
  readonly receipt: string;
  readonly witness_vkey: string;
  readonly anchors: number;
  readonly ak_spki: string;
  readonly authenticated: number;
}

describe('the demo', () => {
  test(
    'loses nothing through outages and a kill, and its evidence outlives it',
    async () => {
      const done = await runToEnd(process.execPath, [MAIN, '--json'], { limitMs: LIMIT_MS });
      expect(done.err).toContain('WHAT A TAMPERER WOULD HAVE TO BREAK');
      expect(done.code, done.err).toBe(0);
      const summary = JSON.parse(done.out.split('\n').at(-1) ?? '') as Summary;
      const { events } = summary;
      expect(summary).toMatchObject({
        delivered: events,
        receipted: events,
        lost: 0,
        duplicates: 0,
        power_cuts: 1,
        broker_outages: 2,
        verified: true,
        tamper_detected: true,
        // A simulated TPM can be copied, so its anchors verify and raise no level.
        assurance: 'A0',
      });
      expect(summary.anchors).toBeGreaterThan(2);
      const ak = createPublicKey({ key: Buffer.from(summary.ak_spki, 'base64'), format: 'der', type: 'spki' });
      expect(ak.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
      expect(events).toBeGreaterThan(100);
      // Real firmware in C: found twice, and a parcel put in and taken out.
      const proved = readFileSync(summary.export, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"sensor":{'));
      expect(proved).toHaveLength(summary.authenticated);
      expect(proved.filter((line) => line.includes('"type":"device.found"')).length).toBeGreaterThan(1);
      expect(summary.authenticated).toBeGreaterThan(6);

      const lines = readFileSync(summary.export, 'utf8').split('\n');
      const indices = lines
        .filter((line) => line.includes('"salt"'))
        .map((line) => (JSON.parse(line) as { n: number }).n);
      expect(indices).toEqual(Array.from({ length: events }, (_, n) => n));
      const [origin, size, , , ...signatures] = readFileSync(summary.receipt, 'utf8').trimEnd().split('\n');
      expect([origin, size]).toEqual([summary.vkey.split('+')[0], String(events)]);
      expect(signatures.map((line) => line.split(' ')[1])).toEqual([origin, summary.witness_vkey.split('+')[0]]);
      expect(lines.filter((line) => line.includes('"type":"anchor.made"')).length).toBe(summary.anchors);
      expect(statSync(summary.data_dir).isDirectory()).toBe(true);

      const verified = await runLatchkey(['verify', summary.export, '--vkey', summary.vkey]);
      expect(verified.code).toBe(0);
      rmSync(dirname(summary.data_dir), { recursive: true });
    },
    LIMIT_MS + 10_000,
  );

  test('refuses what it does not know, and helps', async () => {
    expect((await runToEnd(process.execPath, [MAIN, '--nonsense'])).code).toBe(64);
    const help = await runToEnd(process.execPath, [MAIN, '--help']);
    expect(help.code).toBe(0);
    expect(help.out).toContain('--keep');
  });
});
