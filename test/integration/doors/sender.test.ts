/** `latchkey command send` from end to end, but for the process: it learns, signs, sends, and believes only the log key. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import { formatVkey, type Vkey } from '../../../src/evidence/log/note.ts';
import { parsePolicy, type TrustPolicy } from '../../../src/evidence/verify/policy.ts';
import type { Reply } from '../../../src/evidence/wire/command.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { openCommandKey } from '../../../src/risk/commands/command-key.ts';
import { sendCommand } from '../../../src/risk/commands/sender.ts';
import { type CommandSettings, commandSettingsSchema } from '../../../src/risk/commands/settings.ts';
import { GATEWAY, OpeningBench } from '../../support/opening-bench.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { TestLog } from '../../support/test-log.ts';

const NAME = 'commands.lockers.example';
const dir = makeTempDir('sender');
const keyFile = dir.file('command.key');
let bench: OpeningBench;

beforeAll(async () => {
  const { key } = await openCommandKey(nodeCrypto, keyFile, NAME);
  const keys = [{ vkey: formatVkey(key.vkey), verbs: ['open', 'recount'] }];
  bench = await OpeningBench.make({ gateway: { commands: { keys } } });
  await bench.start();
});
afterAll(async () => {
  await bench.close();
  dir.remove();
});

function settings(more: object = {}): CommandSettings {
  return commandSettingsSchema.parse({
    signer: { name: NAME, key_file: keyFile },
    policy: '/nonexistent/policy.json',
    mqtt: { url: bench.broker.url, protocol: '3.1.1' },
    ...more,
  });
}

function policyOf(...vkeys: readonly Vkey[]): TrustPolicy {
  const logs = vkeys.map((vkey) => ({ vkey: formatVkey(vkey) }));
  const policy = parsePolicy(nodeCrypto, Buffer.from(JSON.stringify({ v: 1, logs })));
  if (!policy.ok) throw new Error('no policy');
  return policy.value;
}

async function send(
  verb: string,
  args: Record<string, string>,
  policy: TrustPolicy,
  more: object = {},
): Promise<Reply> {
  const { key } = await openCommandKey(nodeCrypto, keyFile, NAME);
  const parts = { settings: settings(more), key, policy, crypto: nodeCrypto };
  const request = { gateway: GATEWAY, verb, args, by: { kind: 'operator', ref: 'desk-7' } } as const;
  return sendCommand(
    { ...parts, scheduler: systemScheduler(), logger: silentLogger },
    request,
    AbortSignal.timeout(60_000),
  );
}

test('a door is opened from afar, and the reply is that of the log', async () => {
  const reply = await send('open', { compartment: 'A1' }, policyOf(bench.gateway.journal.log().vkey));
  expect(reply).toMatchObject({ outcome: 'executed', result: 'opened', gateway: GATEWAY });
  expect(bench.tap.channels).toEqual([1]);
  const entry = bench.entries()[reply.entry.n];
  expect(entry).toMatchObject({ type: 'command.executed', data: { id: reply.id, result: 'opened' } });
});

test('what a key was not granted is refused, and said so', async () => {
  const reply = await send('stop_pick', {}, policyOf(bench.gateway.journal.log().vkey));
  expect(reply).toMatchObject({ outcome: 'refused', result: 'verb' });
});

test('after a rotation the successor statement leads to the key that signs', async () => {
  const { vkey } = bench.gateway.journal.log();
  await bench.gateway.journal.rotate();
  expect(bench.gateway.journal.log().vkey.name).not.toBe(vkey.name);
  expect(await send('recount', {}, policyOf(vkey))).toMatchObject({ result: 'counted' });
});

test('without a log of the gateway in the policy nothing is sent', async () => {
  const before = bench.entries().length;
  const foreign = new TestLog('foreign', 'gw-other');
  await expect(send('recount', {}, policyOf(foreign.vkey))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect(bench.entries().filter(({ type }) => type.startsWith('command.')).length).toBeLessThanOrEqual(before);
});

test('a reply by another key is no reply', async () => {
  const impostor = new TestLog('impostor', GATEWAY);
  const sent = send('recount', {}, policyOf(impostor.vkey), { reply_wait_s: 2 });
  await expect(sent).rejects.toMatchObject({
    code: 'TIMED_OUT',
    message: expect.stringContaining('no believed reply'),
  });
});
