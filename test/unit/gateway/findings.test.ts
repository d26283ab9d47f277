/** Every problem and every notice says what a person does about it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { remedyFor } from '../../../src/edge/drivers/remedies.ts';
import { FINDINGS, type FindingName, finding, textsOf } from '../../../src/edge/gateway/findings.ts';
import { ALARMS, lineFindings, uplinkFindings } from '../../../src/edge/gateway/findings-of-parts.ts';
import { alarmsOf, type UplinkHealth } from '../../../src/edge/uplink/health.ts';
import type { UplinkState } from '../../../src/edge/uplink/machine-types.ts';

const root = resolve(import.meta.dirname, '../../..');
const gatewayDir = join(root, 'src/edge/gateway');
const sources = readdirSync(gatewayDir, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(gatewayDir, name), 'utf8'));
const names = Object.keys(FINDINGS) as readonly FindingName[];

test.each(names)('%s: a remedy in words for a person, not the fault once more', (name) => {
  const { remedy } = finding(name, 'the fault');
  expect(remedy.split(' ').length).toBeGreaterThan(4);
  expect(remedy).toMatch(/^[a-z"]/);
  // It reads as the end of a sentence, beside others.
  expect(remedy).not.toMatch(/\.$/);
});

test('each row of the table is made by somebody', () => {
  const code = sources.filter((text) => !text.includes('export const FINDINGS')).join('\n');
  expect(names.filter((name) => !code.includes(`'${name}'`))).toEqual([]);
  expect(names.length).toBeGreaterThan(30);
});

test('nobody makes a finding without the table, nor a status with sentences of its own', () => {
  const makers = sources.filter((text) => /severity: '(problem|notice)',/.test(text));
  expect(makers).toHaveLength(1);
  expect(sources.filter((text) => /const (problems|notices) = (?!textsOf\()/.test(text))).toEqual([]);
  expect(sources.filter((text) => /const problems = textsOf\(findings/.test(text))).toHaveLength(1);
});

test('every word that the uplink alarms with has a remedy of its own', () => {
  const source = readFileSync(join(root, 'src/edge/uplink/health.ts'), 'utf8');
  const words = [...source.matchAll(/alarms\.push\([`']([a-z_]+)/g)].map((match) => match[1] ?? '');
  expect(words.length).toBeGreaterThan(7);
  expect(words.filter((word) => word !== 'log_breached' && ALARMS[word] === undefined)).toEqual([]);
  const known = alarmsOf({
    subscriptionRefused: true,
    memoryWasLost: true,
    breached: ['o'],
    enrolment: { name: 'refused', code: 135 },
    lanes: [],
  } as unknown as UplinkState);
  const uplink = { connected: true, stalled: false, alarms: known } as unknown as UplinkHealth;
  expect(uplinkFindings(uplink).map(({ about }) => about)).toEqual(['enrolment', 'broker', 'broker']);
});

test('a device that knows better says so itself', () => {
  const device = { name: 'b-1', driver: 'x', state: 'faulted', reason: 'duplicate_address' } as const;
  const line = {
    port: 'bank',
    state: 'open',
    reason: 'opened',
    devices: [{ ...device, remedy: 'set the other switch' }],
  } as const;
  expect(lineFindings([line])).toEqual([
    {
      severity: 'problem',
      about: 'device',
      name: 'b-1',
      text: 'b-1 on port bank is faulted: two devices have this address (duplicate_address)',
      remedy: 'set the other switch',
    },
  ]);
  const [usual] = lineFindings([{ ...line, devices: [device] }]);
  expect(usual?.remedy).toBe(FINDINGS.device_faulted.remedy);
  expect(textsOf(lineFindings([{ ...line, state: 'lost', reason: 'unplugged' }]), 'problem')).toEqual([
    'port bank is lost: unplugged',
  ]);
});

test('a device that stays silent after its port came back is not said to have its port away', () => {
  const remedy = remedyFor('port_lost');
  const device = { name: 'b-1', driver: 'x', state: 'lost', reason: 'port_lost', ...(remedy && { remedy }) } as const;
  const [found] = lineFindings([{ port: 'bank', state: 'open', reason: 'opened', devices: [device] }]);
  expect(found).toMatchObject({ text: 'b-1 on port bank is lost: its port went away (port_lost)', name: 'b-1' });
  expect(found?.remedy).toMatch(/^its port was lost, and it has not answered since: check its power/);
});
