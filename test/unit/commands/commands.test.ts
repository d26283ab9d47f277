/** The room of commands with an appender, a key and a broker that do what the test says. */
import { beforeEach, expect, test } from 'vitest';
import { base64url } from '../../../src/base/bytes.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { accept } from '../../../src/base/result.ts';
import { CommandsRoom } from '../../../src/edge/commands/commands.ts';
import { REPLIES_MAX } from '../../../src/edge/commands/reply-box.ts';
import { commandsSettingsSchema, grantedKeys } from '../../../src/edge/commands/settings.ts';
import type { EntryRef, EventDraft } from '../../../src/edge/contracts/appender.ts';
import type { Observed } from '../../../src/edge/contracts/observed.ts';
import type { VerbAnswer } from '../../../src/edge/contracts/verb.ts';
import { guardBody } from '../../../src/evidence/event/guard.ts';
import { formatVkey } from '../../../src/evidence/log/note.ts';
import { type Command, parseReply, type Reply } from '../../../src/evidence/wire/command.ts';
import { parseEnvelope } from '../../../src/evidence/wire/envelope.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { Commander } from '../../support/opening-bench.ts';
import { until } from '../../support/until.ts';

const LOG = 'lockers.example/gw-0001/1-56475aa7';
const START = base64url(new Uint8Array(16).fill(1));
const ops = new Commander('ops');
const desk = new Commander('desk');

class Bench {
  readonly scheduler = new ManualScheduler();
  readonly drafts: EventDraft[] = [];
  readonly runs: string[] = [];
  readonly sent: Reply[] = [];
  answer: VerbAnswer = { outcome: 'executed', result: 'done' };
  /** What the journal, the key store and the broker say. */
  flushes: () => Promise<void> = async () => undefined;
  hasKey = true;
  clock: Observed['clock'] = { src: 'none' };
  isConnected = true;
  tries = 0;
  readonly room = new CommandsRoom({
    gateway: 'gw-0001',
    start: START,
    keys: grantedKeys(
      commandsSettingsSchema.parse({
        keys: [ops, desk].map(({ vkey }) => ({ vkey: formatVkey(vkey), verbs: ['open', 'stop_pick'] })),
      }),
    ),
    verbs: {
      open: {
        check: accept,
        run: async ({ id }) => {
          this.runs.push(base64url(id));
          return this.answer;
        },
      },
      stop_pick: { check: accept, run: async () => ({ outcome: 'executed', result: 'stopped' }) },
    },
    crypto: nodeCrypto,
    appender: {
      append: (draft) => {
        this.drafts.push(draft);
        return 'queued';
      },
      flush: () => this.flushes(),
    },
    openLog: () => LOG,
    signReply: async (make) => {
      if (!this.hasKey) throw new LatchkeyError('KEY_LOCKED', 'the TPM is away');
      return { payload: make(LOG), keyId: new Uint8Array(4), signature: new Uint8Array(64) };
    },
    publishReply: async (bytes) => {
      const envelope = parseEnvelope(bytes);
      const reply = envelope.ok ? parseReply(envelope.value.payload) : undefined;
      this.tries += 1;
      if (this.isConnected && reply?.ok === true) this.sent.push(reply.value);
      return this.isConnected;
    },
    observer: {
      observe: () => ({ wallMs: 0, upMs: this.scheduler.monotonicMs(), clock: this.clock }),
    },
    scheduler: this.scheduler,
    logger: silentLogger,
    metrics: new MemoryMetrics(),
  });

  take(nth: number, more: Partial<Command> = {}, by = ops): Command {
    const id = base64url(Uint8Array.from({ length: 16 }, (_, i) => (i < 4 ? (nth >> (8 * i)) & 255 : 0)));
    const command: Command = {
      gateway: 'gw-0001',
      log: LOG,
      start: START,
      id,
      until_up_ms: Math.round(this.scheduler.monotonicMs()) + 3_000_000,
      verb: 'open',
      args: {},
      by: { kind: 'service', ref: 'desk' },
      ...more,
    };
    this.room.take(by.sign(command).bytes);
    return command;
  }

  types(): readonly string[] {
    return this.drafts.map(({ body }) => body.type);
  }

  /** What was appended becomes durable. */
  settle(from = 0): void {
    for (const [i, draft] of this.drafts.entries()) {
      const entry: EntryRef = { origin: LOG, index: i };
      if (i >= from) draft.onDurable?.(entry);
    }
  }
}

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});

test('nothing is done before the id is durable, and nothing at all when it cannot be made so', async () => {
  let durable = (): void => undefined;
  bench.flushes = () =>
    new Promise((resolve) => {
      durable = resolve;
    });
  bench.take(1);
  await Promise.resolve();
  expect(bench.types()).toEqual(['command.received']);
  expect(bench.runs).toEqual([]);
  durable();
  await until('it is carried out', () => bench.runs.length === 1);
  bench.flushes = () => Promise.reject(new LatchkeyError('JOURNAL_IO', 'the disk is away'));
  const { id } = bench.take(2);
  await until('it is refused', () => bench.types().at(-1) === 'command.refused');
  expect(bench.drafts.at(-1)?.body.data).toMatchObject({ id, reason: 'recording_stopped' });
  expect(bench.runs).toHaveLength(1);
});

test('a reply waits for its entry to be durable', async () => {
  bench.take(1);
  await until('it is carried out', () => bench.types().at(-1) === 'command.executed');
  expect(bench.sent).toEqual([]);
  bench.settle();
  await until('it is answered', () => bench.sent.length === 1);
  expect(bench.sent[0]).toMatchObject({ outcome: 'executed', result: 'done', entry: { log: LOG, n: 1 } });
});

test('without the log key commands are carried out, and replies wait for it, bounded', async () => {
  bench.hasKey = false;
  for (let i = 0; i < REPLIES_MAX + 10; i += 1) {
    bench.take(i);
    await until('it is carried out', () => bench.runs.length === i + 1);
    await until('it is recorded', () => bench.types().filter((type) => type === 'command.executed').length === i + 1);
    bench.settle(bench.drafts.length - 1);
    bench.scheduler.advance(1_000);
  }
  expect(bench.room.status().waiting).toBe(REPLIES_MAX);
  expect(bench.sent).toEqual([]);
  bench.hasKey = true;
  bench.room.connected();
  await until('all that waited is answered', () => bench.sent.length === REPLIES_MAX);
  // The oldest were given up; the time in a reply is that of its signature.
  expect(bench.sent[0]?.up_ms).toBe(bench.scheduler.monotonicMs());
});

test('a reply older than ten minutes is given up', async () => {
  bench.isConnected = false;
  bench.take(1);
  await until('it is carried out', () => bench.types().at(-1) === 'command.executed');
  bench.settle();
  await until('it was tried', () => bench.tries === 1 && bench.scheduler.pending > 0);
  bench.scheduler.advance(600_001);
  await until('it was tried again', () => bench.tries === 2 && bench.scheduler.pending > 0);
  bench.isConnected = true;
  bench.room.connected();
  await until('nothing waits', () => bench.room.status().waiting === 0);
  expect(bench.sent).toEqual([]);
});

test('a stopping gateway begins nothing', async () => {
  bench.room.stop();
  bench.take(1);
  await Promise.resolve();
  expect(bench.types()).toEqual([]);
});

test('more than 100 messages in a second are not looked at, and counted', async () => {
  for (let i = 0; i < 150; i += 1) bench.room.take(new Uint8Array(3));
  bench.scheduler.advance(60_000);
  const counted = bench.drafts.map(({ body }) => body.data);
  expect(counted.reduce((sum, { count }) => sum + Number(count), 0)).toBe(150);
  expect(counted.length).toBeLessThanOrEqual(2);
});

test('every entry fits the vocabulary', async () => {
  bench.answer = { outcome: 'executed', result: 'unverified', reason: 'not_seen', tookMs: 4, compartment: 'A1' };
  bench.take(1);
  await until('it is carried out', () => bench.types().at(-1) === 'command.executed');
  bench.room.take(new Uint8Array(3));
  bench.scheduler.advance(60_000);
  expect(bench.types()).toEqual(['command.received', 'command.executed', 'command.refused']);
  for (const { body } of bench.drafts) expect(guardBody(body).withheld).toEqual([]);
});

test('what was refused for its time or for want of room is not carried out later, when the same bytes come again', async () => {
  const far = Math.round(bench.scheduler.monotonicMs()) + 3_700_000;
  bench.take(1, { until_up_ms: far });
  bench.clock = { src: 'ntp', err_ms: 1 };
  bench.take(2, { not_after: '1969-12-31T23:59:59.000Z' });
  bench.clock = { src: 'none' };
  let go = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  bench.flushes = () => gate;
  for (let i = 10; i < 18; i += 1) bench.take(i);
  bench.take(3);
  const refused = (): unknown[] =>
    bench.drafts.filter(({ body }) => body.type === 'command.refused').map(({ body }) => body.data['reason']);
  expect(refused()).toEqual(['too_far', 'expired', 'busy']);
  go();
  await until('what had room is carried out', () => bench.runs.length === 8);
  await until('all of it ended', () => bench.room.status().running === 0);
  bench.settle();
  await until('all are answered', () => bench.sent.length === 11);
  const first = bench.sent.filter(({ outcome }) => outcome === 'refused');
  const from = bench.drafts.length;
  bench.take(3);
  bench.take(2, { not_after: '1969-12-31T23:59:59.000Z' });
  bench.scheduler.advance(1_000_000);
  bench.take(1, { until_up_ms: far });
  expect(refused().slice(3)).toEqual(['repeated', 'repeated', 'repeated']);
  expect(bench.runs).toHaveLength(8);
  bench.settle(from);
  await until('the first refusals are sent again', () => bench.sent.length === 14);
  const again = bench.sent.slice(-3);
  for (const result of ['too_far', 'expired', 'busy']) {
    expect(again.filter((each) => each.result === result)).toEqual(first.filter((each) => each.result === result));
  }
});

test('the bytes of a command that was carried out have its own answer also when their time is over', async () => {
  const until_up_ms = Math.round(bench.scheduler.monotonicMs()) + 5_000;
  bench.take(1, { until_up_ms });
  await until('it is carried out', () => bench.types().at(-1) === 'command.executed');
  bench.settle();
  await until('it is answered', () => bench.sent.length === 1);
  const from = bench.drafts.length;
  bench.scheduler.advance(20_000);
  bench.take(1, { until_up_ms });
  expect(bench.drafts.at(-1)?.body.data).toMatchObject({ reason: 'repeated' });
  bench.settle(from);
  await until('it is answered again', () => bench.sent.length === 2);
  expect(bench.sent[1]).toEqual(bench.sent[0]);
  expect(bench.runs).toHaveLength(1);
});

test('a key whose commands do not end keeps another one from nothing', async () => {
  let go = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  bench.flushes = () => gate;
  for (let i = 0; i < 9; i += 1) bench.take(i);
  expect(bench.drafts.at(-1)?.body.data).toMatchObject({ reason: 'busy' });
  bench.take(20, {}, desk);
  expect(bench.types().at(-1)).toBe('command.received');
  bench.take(21, { verb: 'stop_pick' });
  expect(bench.types().at(-1)).toBe('command.received');
  go();
  await until('all that was taken is carried out', () => bench.runs.length === 9);
});
