import { expect, test } from 'vitest';
import { describeLeaf } from '../../../src/cli/describe-leaf.ts';
import { textsOf } from '../../../src/edge/gateway/findings.ts';
import { tpmFindings } from '../../../src/edge/gateway/findings-of-parts.ts';
import type { TpmStatus } from '../../../src/edge/gateway/tpm-duty.ts';

const tpmProblems = (tpm: TpmStatus | undefined): readonly string[] => textsOf(tpmFindings(tpm), 'problem');

const IDLE: TpmStatus = {
  target: '/dev/tpmrm0',
  policy: 'operator',
  ak: 'AK',
  counterName: '000b',
  attested: true,
  anchors: { state: 'idle', counter: 12, tokens: 990, made: 4, lifeYearsAtLeast: 9.9 },
};

test('a TPM at work is no problem, and software keys are none either', () => {
  expect(tpmProblems(IDLE)).toEqual([]);
  expect(tpmProblems(undefined)).toEqual([]);
  const waiting: TpmStatus = {
    ...IDLE,
    anchors: { ...IDLE.anchors, state: 'waiting', dueInMs: 9_000, because: 'pace' },
  };
  expect(tpmProblems(waiting)).toEqual([]);
});

test('a TPM that is away is one, with the time and the reason', () => {
  const anchors = { ...IDLE.anchors, state: 'away', awayForMs: 61_000, reason: 'no answer' } as const;
  expect(tpmProblems({ ...IDLE, anchors })).toEqual([
    'the TPM has not anchored for 61 s, and nothing since is anchored: no answer',
  ]);
});

test('a TPM that answers nobody is one before an anchor is due, and is told once', () => {
  const silent = { ...IDLE, silent: 'connect ENOENT' };
  expect(tpmProblems(silent)).toEqual([
    'the TPM does not answer, and nothing will be anchored until it does: connect ENOENT',
  ]);
  const anchors = { ...IDLE.anchors, state: 'away', awayForMs: 61_000, reason: 'no answer' } as const;
  expect(tpmProblems({ ...silent, anchors })).toHaveLength(1);
});

test('a wear budget that is used up is one, with the time until the next anchor', () => {
  const anchors = { ...IDLE.anchors, state: 'waiting', dueInMs: 600_500, because: 'wear' } as const;
  expect(tpmProblems({ ...IDLE, anchors })).toEqual(['anchors wait 601 s: the wear budget of the TPM is used up']);
});

test('an anchor in the tail says size and counter, not its signatures', () => {
  const line = `{"at":"2026-11-22T09:00:00.123Z","boot":1,"clock":{"src":"ntp"},"data":{"counter":9,"lines":["\u2014 lockers.example/gw-0001/1-00000000 ${'A'.repeat(300)}"],"root":"${'A'.repeat(43)}","size":7},"log":"lockers.example/gw-0001/1-00000000","n":7,"salt":"${'A'.repeat(22)}","type":"anchor.made","up_ms":5,"v":1}`;
  expect(describeLeaf(line)).toBe('     7  09:00:00.123  anchor.made             {"counter":9,"size":7}');
});
