/**
 * `npm run demo -- --json` as somebody else's script sees it: exit code, last line, and the files that it names. It runs
 * once for all tests of this file.
 */
import { createPublicKey } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Finished, runToEnd } from '../../../simulators/demo/child-process.ts';
import { runLatchkey } from '../../support/child.ts';

/** The build under test: the checkout's own, or that whose command line is named. */
const CLI = process.env['LATCHKEY_TEST_MAIN'] ?? join(import.meta.dirname, '../../../dist/src/cli/main.js');
const MAIN = join(dirname(CLI), '../../simulators/demo/main.js');
const LIMIT_MS = 560_000;
const COMMAND_LIMIT_MS = 120_000;

interface Reason {
  readonly code: string;
  readonly text: string;
  readonly events: readonly string[];
}

interface Decided {
  readonly scenario: string;
  readonly refund: string;
  readonly outcome: string;
  readonly decision_id: string;
  readonly reasons: readonly Reason[];
}

interface Summary {
  readonly events: number;
  readonly data_dir: string;
  readonly risk_data_dir: string;
  readonly vkey: string;
  readonly export: string;
  readonly receipt: string;
  readonly witness_vkey: string;
  readonly anchors: number;
  readonly ak_spki: string;
  readonly authenticated: number;
  readonly decisions: readonly Decided[];
}

let done: Finished;
let summary: Summary;
let lines: readonly string[];

beforeAll(async () => {
  done = await runToEnd(process.execPath, [MAIN, '--json'], { limitMs: LIMIT_MS });
  expect(done.code, done.err).toBe(0);
  summary = JSON.parse(done.out.split('\n').at(-1) ?? '') as Summary;
  lines = readFileSync(summary.export, 'utf8').split('\n');
}, LIMIT_MS + 10_000);

afterAll(() => {
  if (summary !== undefined) rmSync(dirname(summary.data_dir), { recursive: true });
});

/** Index to the entry's own line. */
function entries(): ReadonlyMap<number, string> {
  const events = lines.filter((line) => line.includes('"salt"'));
  return new Map(events.map((line) => [(JSON.parse(line) as { n: number }).n, line]));
}

describe('the demo', () => {
  test('loses nothing through outages and a kill, and its evidence outlives it', async () => {
    const { events } = summary;
    expect(done.err).toContain('WHAT A TAMPERER WOULD HAVE TO BREAK');
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
    expect(events).toBeGreaterThan(100);
    expect([...entries().keys()]).toEqual(Array.from({ length: events }, (_, n) => n));
    const [origin, size, , , ...signatures] = readFileSync(summary.receipt, 'utf8').trimEnd().split('\n');
    expect([origin, size]).toEqual([summary.vkey.split('+')[0], String(events)]);
    expect(signatures.map((line) => line.split(' ')[1])).toEqual([origin, summary.witness_vkey.split('+')[0]]);
    expect(statSync(summary.data_dir).isDirectory()).toBe(true);
  });

  test('has a TPM and firmware that took part', () => {
    expect(summary.anchors).toBeGreaterThan(2);
    const ak = createPublicKey({ key: Buffer.from(summary.ak_spki, 'base64'), format: 'der', type: 'spki' });
    expect(ak.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
    expect(lines.filter((line) => line.includes('"type":"anchor.made"')).length).toBe(summary.anchors);
    // Real firmware in C: found twice, and a parcel put in and taken out.
    const proved = lines.filter((line) => line.includes('"sensor":{'));
    expect(proved).toHaveLength(summary.authenticated);
    expect(proved.filter((line) => line.includes('"type":"device.found"')).length).toBeGreaterThan(1);
    expect(summary.authenticated).toBeGreaterThan(6);
  });

  test('tells seven refunds, each with the outcome that the story is told for', () => {
    expect(summary.decisions.map(({ scenario, outcome }) => [scenario, outcome])).toEqual([
      ['honest-delivery', 'REVIEW'],
      ['honest-return', 'PAY'],
      ['phantom-return', 'HOLD'],
      ['forced-door', 'PAY_AND_INVESTIGATE'],
      ['velocity-1', 'PAY'],
      ['velocity-2', 'PAY'],
      ['velocity-3', 'HOLD'],
    ]);
    const codes = summary.decisions.map(({ reasons }) => reasons.map(({ code }) => code));
    expect(codes[0]).toContain('C22');
    expect(codes[2]).toEqual(expect.arrayContaining(['C18', 'R05']));
    expect(codes[3]).toContain('C07');
    expect(codes[6]).toEqual(['R01']);
    for (const { decision_id, outcome } of summary.decisions) {
      expect(done.err).toContain(decision_id);
      expect(done.err).toMatch(new RegExp(`^    ${outcome}`, 'm'));
    }
  });

  test('stands on entries of the export, which verifies', async () => {
    const known = entries();
    const [origin = ''] = summary.vkey.split('+');
    for (const { scenario, reasons } of summary.decisions) {
      const events = reasons.flatMap((reason) => reason.events);
      expect(events.length, scenario).toBeGreaterThan(0);
      for (const ref of events) {
        const [log, n] = ref.split('#');
        expect([log, known.has(Number(n))], `${scenario}: ${ref}`).toEqual([origin, true]);
      }
      for (const { text } of reasons) expect(text.length).toBeGreaterThan(10);
    }
    const verified = await runLatchkey(['verify', summary.export, '--vkey', summary.vkey]);
    expect(verified.code, verified.err).toBe(0);
  });

  test('says first, and with each decision, what it takes on its own word', () => {
    const first = done.err.indexOf('takes an emulated TPM for a hardware one');
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(done.err.indexOf('the gateway runs'));
    const told = done.err.match(
      /on the word .*: demo-0001 has level A2 at most by an emulated TPM and a synced clock/g,
    );
    expect(told).toHaveLength(summary.decisions.length);
  });

  test(
    'has each decision made again by the command that it prints: the same members with the same values',
    async () => {
      expect(done.err).toContain(`risk replay ${summary.decisions.at(-1)?.decision_id}`);
      expect(done.err).toContain(`--data-dir ${summary.risk_data_dir}`);
      for (const { scenario, ...decided } of summary.decisions.filter((_, i) => i === 0 || i === 6)) {
        // Also by the folder that --json named all along, in which a note says where the decisions are.
        const dir = scenario === 'velocity-3' ? summary.risk_data_dir : summary.data_dir;
        const again = await runLatchkey(['risk', 'replay', decided.decision_id, '--data-dir', dir, '--json'], {
          limitMs: COMMAND_LIMIT_MS,
        });
        expect(again.code, again.err).toBe(0);
        expect(JSON.parse(again.out)).toMatchObject(decided);
      }
    },
    2 * COMMAND_LIMIT_MS,
  );
});

test('the demo refuses what it does not know, a folder in use, and helps', async () => {
  expect((await runToEnd(process.execPath, [MAIN, '--nonsense'])).code).toBe(64);
  const used = await runToEnd(process.execPath, [MAIN, '--data-dir', dirname(MAIN)]);
  expect([used.code, used.err]).toEqual([64, expect.stringContaining('to be empty')]);
  const help = await runToEnd(process.execPath, [MAIN, '--help']);
  expect(help.code).toBe(0);
  expect(help.out).toContain('--keep');
  expect(existsSync(MAIN)).toBe(true);
});
