/** `latchkey verify` over several files: each has its verdict, and together they must be one history. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { base64url } from '../../../src/base/bytes.ts';
import type { SeveralVerdicts } from '../../../src/cli/commands/verify-several.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { AnchoredLog, twice, vkeyText, whole } from '../../support/anchored-log.ts';
import { mainPath, runLatchkey } from '../../support/child.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { eventOf, fill } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { linesOf } from '../../support/test-tpm.ts';
import { policyText } from '../../support/test-trust.ts';

const log = twice();
/** The same key and the same first entries; another history from 9 on, under the same counter values. */
const copy = new AnchoredLog('twice').opened();
fill(copy, 5).anchor({});
fill(copy, 8).add('code.scanned', { size_bytes: 1, text: 'x' }).anchor({});
fill(copy, 20);
let dir: TempDir;
let policy: string;

function put(name: string, bytes: Uint8Array): string {
  writeFileSync(dir.file(name), bytes);
  return dir.file(name);
}

beforeAll(() => {
  dir = makeTempDir('verify-several');
  policy = dir.file('policy.json');
  const logs = [{ vkey: vkeyText(log), ...log.tpm.policy }];
  writeFileSync(policy, policyText([], { logs }));
  put('whole', whole(log));
  put('monday', log.batch(0, 9, { size: 9 }));
  put('tuesday', log.batch(9, 12, { left: true }));
  put('copy', whole(copy, [5, 9, 20]));
  put('copy-early', copy.batch(0, 5, { size: 5 }));
});

afterAll(() => dir.remove());

async function verify(names: readonly string[], trust: readonly string[] = ['--policy', policy]) {
  const files = names.map((name) => dir.file(name));
  const { code, out, err } = await runLatchkey(['verify', ...files, ...trust, '--json']);
  if (out === '') throw new Error(err);
  return { code, ...(JSON.parse(out) as SeveralVerdicts) };
}

test.each([[['whole', 'monday']], [['monday', 'tuesday']], [['tuesday', 'monday', 'whole', 'copy-early']]])(
  'files of one history agree: %j',
  async (names) => {
    const { code, outcome, files, together } = await verify(names);
    expect([code, outcome, files.map((each) => each.outcome)]).toEqual([0, 'verified', names.map(() => 'verified')]);
    expect(together).toEqual({ outcome: 'verified', continuity: [] });
  },
);

test('two boxes that count on from one TPM are a clone, whichever file comes first', async () => {
  for (const names of [
    ['whole', 'copy'],
    ['copy', 'whole'],
    ['tuesday', 'monday', 'copy'],
  ]) {
    const { code, files, together } = await verify(names);
    expect([code, files.every((each) => each.outcome === 'verified')]).toEqual([1, true]);
    expect(together).toMatchObject({ outcome: 'refuted', reason: 'anchor_continuity' });
    expect(together.detail).toMatch(/^counter_cloned: /);
  }
});

test('without a TPM two trees of one log are a fork, also where neither file ends at the same size', async () => {
  const { code, together } = await verify(['whole', 'copy'], ['--vkey', vkeyText(log)]);
  expect([code, together.reason]).toEqual([1, 'file_fork']);
  expect(together.detail).toMatch(/copy and .*whole: another root is named for size 12/);
  const said = await runLatchkey(['verify', dir.file('copy'), dir.file('whole'), '--vkey', vkeyText(log)]);
  expect(said.out).toMatch(/^VERIFIED: \S*copy .*\nVERIFIED: \S*whole .*\nTOGETHER REFUTED\n {2}file_fork: /s);
});

test('a log that lost its key is taken, unsigned, on the word of the one that went on, and of no other gateway', async () => {
  const { size, root } = log.checkpoint();
  const next = new AnchoredLog('after', log.tpm, 2).opened(
    { log: log.origin, cause: 'tpm_cleared', size, root: base64url(root) },
    log.tpm.counter,
  );
  const stranger = new TestLog('stranger', 'gw-0002', 2);
  stranger.append(
    encodeLeaf(
      eventOf(stranger, 0, 'journal.opened', { version: '0.1.0', after: { log: log.origin, cause: 'key_lost' } }),
    ),
  );
  put('unsigned', log.batch(0, 12, { unsigned: true }));
  put('next', next.batch(0, 1));
  put('stranger', stranger.batch(0, 1));
  const logs = [log, next].map((each) => ({ vkey: vkeyText(each), ...log.tpm.policy }));
  const trust = dir.file('both.json');
  writeFileSync(trust, policyText([], { logs: [...logs, { vkey: vkeyText(stranger) }] }));
  for (const names of [
    ['unsigned', 'next'],
    ['next', 'unsigned'],
  ]) {
    const { code, files } = await verify(names, ['--policy', trust]);
    expect([code, files.map((each) => each.outcome)]).toEqual([0, ['verified', 'verified']]);
  }
  const { code, files } = await verify(['unsigned', 'stranger'], ['--policy', trust]);
  expect([code, files[0]?.reason, files[1]?.outcome]).toEqual([1, 'unsigned', 'verified']);
});

test('what one file cannot tell, or is refuted by, decides over all of them', async () => {
  put('broken', whole(log).subarray(0, 900));
  put('strange', new AnchoredLog('strange').opened().batch(0, 1));
  expect(await verify(['whole', 'strange'])).toMatchObject({ code: 2, outcome: 'cannot_tell' });
  const { code, together } = await verify(['strange', 'broken', 'whole']);
  expect([code, together.outcome]).toEqual([1, 'verified']);
});

test('a pipe that would have to be read twice is said to be uncompared', async () => {
  const command = `cat ${dir.file('copy')} | "$0" "$1" verify /dev/stdin ${dir.file('whole')} --vkey "$2" --json; echo "$?"`;
  const out = execFileSync('sh', ['-c', command, process.execPath, mainPath(), vkeyText(log)], { encoding: 'utf8' });
  const [json = '', code] = out.trim().split('\n');
  const { together } = JSON.parse(json) as SeveralVerdicts;
  expect([code, together.outcome]).toEqual(['2', 'cannot_tell']);
  expect(together.detail).toMatch(/\/dev\/stdin cannot be read a second time to be compared with .*whole/);
});

test('what one file shows of a TPM counts for the others: an anchor over a log that ended, and a clear', async () => {
  const ended = fill(new AnchoredLog('several-ended').opened(), 9);
  const { tpm } = ended;
  const after = new AnchoredLog('several-after', tpm, 2).opened(undefined, 0);
  const root = base64url(ended.checkpoint(6).root);
  const lines = linesOf(tpm.anchor(ended.note(6)));
  after.add('anchor.made', { size: 6, root, lines, counter: 1, log: ended.origin });
  const cleared = new AnchoredLog('several-cleared', tpm, 3).opened(undefined, 1);
  tpm.resetCount = 0;
  fill(cleared, 4).anchor({});
  const logs = [ended, after, cleared].map((each) => ({ vkey: vkeyText(each), ...tpm.policy }));
  writeFileSync(dir.file('one-tpm.json'), policyText([], { logs }));
  for (const [name, each] of Object.entries({ ended, after, cleared })) put(name, each.batch(0));
  const { code, files } = await verify(['ended', 'cleared', 'after'], ['--policy', dir.file('one-tpm.json')]);
  expect(code).toBe(0);
  expect(files.map(({ logs: [own] }) => [own?.level, own?.anchors.size])).toEqual([
    ['A2', 6],
    ['A1', 0],
    ['A1', 0],
  ]);
  expect(files[1]?.logs[0]?.anchors.cleared).toBe(1);
});
