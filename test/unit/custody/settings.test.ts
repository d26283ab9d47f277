import { expect, test } from 'vitest';
import { custodySettingsSchema } from '../../../src/edge/custody/settings.ts';
import { parseSettings } from '../../../src/platform/settings.ts';

test('an empty section is sound', () => {
  expect(custodySettingsSchema.parse({})).toEqual({
    compartments: [],
    scan_window_s: 180,
    door_open_max_s: 600,
    settle_ms: 1_500,
    weight: { step_g: 50, gap_s: 10, tolerance_g: 20 },
  });
});

test('all problems are told at once, each with its path', () => {
  const text = `
compartments:
  - { name: a1, device: east, channel: 1, polarity: closed_is_1 }
  - { name: a1, device: east, channel: 1 }
  - { name: '4111111111111111', device: east, channel: 0, polarity: shut }
settle_ms: -1
surplus: true
`;
  const result = parseSettings(text, custodySettingsSchema);
  expect(result.ok).toBe(false);
  if (result.ok) return;
  const paths = result.problems.map(({ path }) => path);
  for (const path of [
    'compartments[2].name',
    'compartments[2].channel',
    'compartments[2].polarity',
    'settle_ms',
    'surplus',
  ]) {
    expect(
      paths.some((each) => each.endsWith(path)),
      `${path} in ${paths}`,
    ).toBe(true);
  }
});

test('two compartments are neither one name nor one channel', () => {
  const compartment = { name: 'a1', device: 'east', channel: 1 };
  const result = custodySettingsSchema.safeParse({ compartments: [compartment, compartment] });
  expect(result.error?.issues.map(({ path }) => path.join('.'))).toEqual([
    'compartments.1.name',
    'compartments.1.channel',
  ]);
});
