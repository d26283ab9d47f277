/** Requests as the command line spells them: what no gateway would take is said before anything is signed. */
import { expect, test } from 'vitest';
import { CommandArgs } from '../../../src/cli/command.ts';
import { commandRequest } from '../../../src/cli/command-request.ts';
import { checkTimes } from '../../../src/risk/commands/check-request.ts';

const request = (verb: string, ...pairs: readonly string[]) =>
  commandRequest(new CommandArgs(['gw-0001', verb, ...pairs], { by: 'operator:desk-7' }));

test.for([
  ['grant', 'until=2999-02-31T09:00:00.000Z', 'until: expected a time of the calendar'],
  ['grant', 'from=2027-02-29T09:00:00.000Z', 'from: expected a time of the calendar'],
  ['assign', 'until=2999-04-31T09:00:00.000Z', 'until: expected a time of the calendar'],
  ['maintain', 'until=tomorrow', 'until: expected a time of the calendar'],
  ['maintain', 'until:=5', 'until: expected a time of the calendar'],
  ['grant', 'until=2020-01-01T00:00:00.000Z', 'until: expected a time that is to come'],
  ['assign', 'until=2020-01-01T00:00:00.000Z', 'until: expected a time that is to come'],
  ['maintain', 'until=2020-01-01T00:00:00.000Z', 'until: expected a time that is to come'],
])('%s with %s is refused before it is signed', ([verb = '', pair = '', words = '']) => {
  expect(() => request(verb, pair)).toThrow(words);
  expect(() => request(verb, pair)).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

test('a grant that begins when it ends, or later, is refused before it is signed', () => {
  const until = 'until=2999-01-01T00:00:00.000Z';
  expect(() => request('grant', 'from=2999-01-01T00:00:00.000Z', until)).toThrow('from: expected a time before');
  expect(request('grant', 'from=2998-12-31T23:59:59.999Z', until).args).toEqual({
    from: '2998-12-31T23:59:59.999Z',
    until: '2999-01-01T00:00:00.000Z',
  });
});

test('a time that ends now is over, and one a moment later is not', () => {
  const args = { until: '2026-11-22T09:00:00.000Z' };
  expect(checkTimes('grant', args, Date.UTC(2026, 10, 22, 9)).ok).toBe(false);
  expect(checkTimes('grant', args, Date.UTC(2026, 10, 22, 9) - 1).ok).toBe(true);
});

test('arguments of verbs without times are left to the gateway', () => {
  expect(request('fetch', 'until=whenever').args).toEqual({ until: 'whenever' });
});
