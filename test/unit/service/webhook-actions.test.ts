/** Commands that are sent nowhere: the start warns of them, and the example of settings leaves none. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { ACTION_NAMES } from '../../../src/risk/casework/actions.ts';
import { webhooksSchema } from '../../../src/risk/casework/webhook-settings.ts';
import { actionsWithoutPlace } from '../../../src/risk/service/settings.ts';

test('of settings that send some commands, those that go nowhere are named; without webhooks none are sent', () => {
  expect(actionsWithoutPlace([])).toEqual([]);
  expect(actionsWithoutPlace([{ actions: ['pay', 'hold_settlement'] }, { actions: ['ticket'] }])).toEqual([
    'freeze_payout',
    'release_payout',
    'deny',
    'cancel',
  ]);
  expect(actionsWithoutPlace([{ actions: ACTION_NAMES }])).toEqual([]);
});

test('the example of webhooks in config/risk.yaml has a place for every command', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../config/risk.yaml'), 'utf8');
  const [, lines = ''] = /^# webhooks:\n((?:# {3}- .*\n)+)/m.exec(text) ?? [];
  const webhooks = webhooksSchema.parse(parse(lines.replace(/^# {3}/gm, '')));
  expect(webhooks).toHaveLength(2);
  expect(actionsWithoutPlace(webhooks)).toEqual([]);
});
