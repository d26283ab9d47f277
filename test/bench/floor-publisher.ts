/**
 * The floor: one bare `mqtt` process that publishes leaf bytes one per message, QoS 1, 1,000 outstanding. No signature,
 * no disk, no order to keep. Prints one JSON object as its last line.
 *
 *     node floor-publisher.js URL LEAVES.ndjson SECONDS
 */
import { readFileSync } from 'node:fs';
import { connectAsync, UniqueMessageIdProvider } from 'mqtt';

const OUTSTANDING = 1_000;

const [url = '', file = '', seconds = '5'] = process.argv.slice(2);
const leaves = readFileSync(file, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => Buffer.from(line));
const client = await connectAsync(url, { protocolVersion: 5, messageIdProvider: new UniqueMessageIdProvider() });
const cpuBefore = process.cpuUsage();
const startMs = performance.now();
const endMs = startMs + Number(seconds) * 1_000;
let sent = 0;
let acknowledged = 0;

await new Promise<void>((resolve, reject) => {
  client.on('error', reject);
  const next = (): void => {
    if (performance.now() >= endMs) {
      if (acknowledged === sent) resolve();
      return;
    }
    const leaf = leaves[sent % leaves.length] ?? Buffer.alloc(0);
    sent += 1;
    client.publish('floor', leaf, { qos: 1 }, (error) => {
      if (error) return reject(error);
      acknowledged += 1;
      next();
    });
  };
  for (let i = 0; i < OUTSTANDING; i += 1) next();
});

const tookS = (performance.now() - startMs) / 1_000;
const { user, system } = process.cpuUsage(cpuBefore);
const cpuUs = (user + system) / acknowledged;
await client.endAsync();
process.stdout.write(
  `${JSON.stringify({ acknowledged, seconds: tookS, per_s: Math.round(acknowledged / tookS), cpu_us: cpuUs })}\n`,
);
