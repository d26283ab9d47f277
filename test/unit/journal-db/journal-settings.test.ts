import { expect, test } from 'vitest';
import { z } from 'zod';
import { journalSettingsSchema } from '../../../src/edge/journal/journal-settings.ts';

test('an empty section is complete: 20 ms, and the thresholds of a full disk', () => {
  expect(journalSettingsSchema.parse({})).toMatchObject({
    groupCommitMs: 20,
    lowStopPercent: 90,
    custodyStopPercent: 97,
    reserveBytes: 8 * 1_048_576,
    keepDays: 90,
  });
});

test('all that is wrong is said at once, by its path', () => {
  const answer = journalSettingsSchema.safeParse({ group_commit_ms: -1, reserve_mib: 0, colour: 'red' });
  expect(answer.error?.issues.map(({ path }) => path.join('.'))).toEqual(['group_commit_ms', 'reserve_mib', '']);
  const crossed = journalSettingsSchema.safeParse({ low_stop_percent: 98, retry_first_ms: 60_000, retry_max_ms: 100 });
  expect(crossed.error?.issues.map(({ path }) => path.join('.'))).toEqual(['low_stop_percent', 'retry_first_ms']);
});

test('the schema can be shown as JSON Schema of what is written in YAML', () => {
  const schema = z.toJSONSchema(journalSettingsSchema, { io: 'input' });
  expect(Object.keys(schema.properties ?? {})).toContain('group_commit_ms');
});
