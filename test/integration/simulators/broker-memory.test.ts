/** What the simulated broker remembers over its end: retained messages, as a gateway relies on them. */
import { writeFileSync } from 'node:fs';
import { connectAsync } from 'mqtt';
import { afterAll, expect, test } from 'vitest';
import { startBroker } from '../../../simulators/demo/broker.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const dir = makeTempDir('broker-memory');
afterAll(() => dir.remove());

/** What a new subscriber is sent at once, at least so many messages, by the time that it hears something new. */
async function remembered(url: string, least: number): Promise<ReadonlyMap<string, string>> {
  const client = await connectAsync(url, { protocolVersion: 4 });
  const found = new Map<string, string>();
  const marked = new Promise<void>((resolve) => {
    client.on('message', (topic, payload, { retain }) => {
      if (retain) found.set(topic, payload.toString('base64'));
      if (topic === 'mark') resolve();
    });
  });
  await client.subscribeAsync('#', { qos: 1 });
  await client.publishAsync('mark', 'x', { qos: 1 });
  await marked;
  await until('what is retained has come', () => found.size >= least);
  await client.endAsync();
  return found;
}

test('retained messages outlive the process of the broker, byte by byte, and those that were taken back do not', async () => {
  const memoryPath = dir.file('broker.json');
  const first = await startBroker({ memoryPath });
  const client = await connectAsync(first.url, { protocolVersion: 4 });
  const bytes = Buffer.from([0, 1, 0x80, 0xff]);
  await client.publishAsync('a/kept', 'old', { qos: 1, retain: true });
  await client.publishAsync('a/kept', bytes, { qos: 1, retain: true });
  await client.publishAsync('a/taken-back', 'x', { qos: 1, retain: true });
  await client.publishAsync('a/taken-back', '', { qos: 1, retain: true });
  await client.publishAsync('a/passing', 'x', { qos: 1 });
  await client.endAsync();
  await first.close();
  const second = await startBroker({ memoryPath });
  expect([...(await remembered(second.url, 1))]).toEqual([['a/kept', bytes.toString('base64')]]);
  expect([...second.retained.keys()]).toEqual(['a/kept']);
  await second.close();
});

test.each(['', '{', '{"a": 1}', '[]'])('a file that says %j is a broker that forgot', async (text) => {
  const memoryPath = dir.file('damaged.json');
  writeFileSync(memoryPath, text);
  const broker = await startBroker({ memoryPath });
  expect(await remembered(broker.url, 0)).toEqual(new Map());
  await broker.close();
});
