import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { siteSchema } from '../../../simulators/site/settings.ts';
import { parseStep } from '../../../simulators/site/steps.ts';
import { parseSettings } from '../../../src/platform/settings.ts';

const GOOD = `
name: yard
seed: 7
lines:
  - name: bus-a
    pty: {}
    family: xor_8a80
    boards:
      - { name: left, address: 1, channels: 24, shut_reads: 0 }
      - { name: right, address: 2 }
    faults:
      rates: { split: 0.25, no_reply: 0.01 }
      exactly: [{ emission: 3, fault: unplug }]
  - name: desk
    tcp: { port: 0, clients_max: 2 }
    scanner: { suffix: "\\r", aim: false, no_read: NR }
compartments:
  - { name: A1, board: left, channel: 1 }
stories:
  - name: one
    repeat: 2
    steps: [scan desk sscc 12, open A1, put A1, shut A1, wait 20, scan desk no-read, unplug bus-a]
`;

const problemsOf = (text: string): string[] => {
  const parsed = parseSettings(text, siteSchema);
  return parsed.ok ? [] : parsed.problems.map((problem) => problem.path);
};

describe('a site file', () => {
  test('gives lines, faults and stories', () => {
    const parsed = parseSettings(GOOD, siteSchema);
    if (!parsed.ok) throw new Error(parsed.detail);
    expect(parsed.value.lines.map((line) => line.name)).toEqual(['bus-a', 'desk']);
    expect(parsed.value.lines[0]?.boards?.[1]).toMatchObject({
      channels: 16,
      shut_reads: 1,
      unlock_reply: 'immediate',
    });
    expect(parsed.value.stories[0]?.steps.map((step) => step.do)).toEqual([
      'scan',
      'open',
      'put',
      'shut',
      'wait',
      'scan',
      'unplug',
    ]);
  });

  test('is refused with every problem and its path', () => {
    expect(problemsOf(GOOD.replace('seed: 7', 'seed: -1').replace('split: 0.25', 'split: 2'))).toEqual([
      'seed',
      'lines[0].faults.rates.split',
    ]);
    expect(problemsOf(GOOD.replace('open A1', 'blow A1'))).toEqual(['stories[0].steps[1]']);
    expect(problemsOf(GOOD.replace('board: left, channel: 1', 'board: left, channel: 25'))).toEqual([
      'compartments[0].channel',
    ]);
    expect(problemsOf(GOOD.replace('board: left', 'board: none'))).toEqual(['compartments[0].board']);
    expect(problemsOf(GOOD.replace('name: right', 'name: left'))).toEqual(['boards']);
    expect(problemsOf(GOOD.replace('family: xor_8a80', ''))).toEqual(['lines[0]']);
    expect(problemsOf(GOOD.replace('pty: {}', 'pty: {}\n    tcp: {}'))).toEqual(['lines[0]']);
  });
});

describe('a step', () => {
  test('of any text is a step or a refusal', () => {
    const seen = new Set<boolean>();
    const words = fc.constantFrom(
      'scan',
      'open',
      'wait',
      'pretend',
      'plug',
      'A1',
      'item',
      'sscc',
      'gs1',
      '12',
      '-1',
      '1e9',
    );
    const line = fc.oneof(
      fc.string(),
      fc.array(words, { maxLength: 5 }).map((parts) => parts.join(' ')),
    );
    fc.assert(
      fc.property(line, (text) => {
        seen.add(parseStep(text).ok);
      }),
      { numRuns: 2_000 },
    );
    expect(seen).toEqual(new Set([true, false]));
  });

  test('makes valid labels from serial numbers', () => {
    const step = parseStep('scan desk s10 12345');
    expect(step).toMatchObject({ ok: true, value: { do: 'scan', scanner: 'desk', label: { text: 'RB000123455GB' } } });
  });
});
