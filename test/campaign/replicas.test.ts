/** Two receivers on one database under load, while what they stand on is killed: each round ends as if nothing had been. */
import { afterEach, expect, test } from 'vitest';
import { ReplicaRig } from '../process/support/replica-rig.ts';
import { until } from '../support/until.ts';
import { recordResult } from './support/results.ts';

/** Fewer for a short look. */
const ROUNDS = Number(process.env['CAMPAIGN_ROUNDS'] ?? 4);
const ENTRIES_A_ROUND = 100;
let rig: ReplicaRig | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

/** Each round sends on, and disturbs when the first of it is receipted. */
async function underLoad(scenario: string, made: ReplicaRig, disturb: (round: number) => Promise<void>): Promise<void> {
  const startedMs = Date.now();
  for (let round = 1; round <= ROUNDS; round += 1) {
    const seen = made.herd.receipts.length;
    made.herd.drive(round * ENTRIES_A_ROUND);
    await until('the first receipt of the round', () => made.herd.receipts.length > seen, 120_000);
    await disturb(round);
    await made.settled();
  }
  await made.judge();
  const entries = made.logs.reduce((sum, log) => sum + log.size, 0);
  const counts = `${ROUNDS} times; ${made.logs.length} gateways, ${entries} entries, ${made.herd.receipts.length} receipts, each covered`;
  await recordResult({ scenario: `receivers that share a database: ${scenario}`, counts, startedMs });
}

async function twoReplicas(): Promise<ReplicaRig> {
  rig = await ReplicaRig.make({ gateways: 20, entries: ROUNDS * ENTRIES_A_ROUND });
  await rig.start('replica-a');
  await rig.start('replica-b');
  await rig.balanced('replica-a', 'replica-b');
  return rig;
}

test('PostgreSQL killed and restarted under load: everything is stored and receipted once', async () => {
  const made = await twoReplicas();
  await underLoad('PostgreSQL killed', made, () => made.crashPostgres());
});

test('mosquitto killed and restarted under load: everything is stored and receipted once', async () => {
  const made = await twoReplicas();
  await underLoad('mosquitto killed', made, async () => {
    await made.broker.kill('SIGKILL');
    await made.broker.restart();
  });
});

test('a receiver killed under load: the other takes over, and the next start of its name takes back', async () => {
  rig = await ReplicaRig.make({ gateways: 20, entries: ROUNDS * ENTRIES_A_ROUND });
  const made = rig;
  let victim = await made.start('replica-a');
  await made.start('replica-b');
  await made.balanced('replica-a', 'replica-b');
  await underLoad('one killed', made, async (round) => {
    victim.signal('SIGKILL');
    expect((await victim.exit()).signal).toBe('SIGKILL');
    if (round % 2 === 0) await until('the other holds all', () => made.held('replica-b') === 64, 120_000);
    victim = await made.start('replica-a');
  });
});

test('receivers frozen in turn under load: everything is stored and receipted once', async () => {
  rig = await ReplicaRig.make({ gateways: 20, entries: ROUNDS * ENTRIES_A_ROUND });
  const made = rig;
  const names = ['replica-a', 'replica-b'] as const;
  const receivers = [await made.start(names[0]), await made.start(names[1])] as const;
  await made.balanced(...names);
  await underLoad('frozen in turn', made, async (round) => {
    const [frozen, other] = round % 2 === 0 ? [receivers[0], names[1]] : [receivers[1], names[0]];
    frozen.signal('SIGSTOP');
    await until('the other holds all', () => made.held(other) === 64, 120_000);
    frozen.signal('SIGCONT');
  });
});
