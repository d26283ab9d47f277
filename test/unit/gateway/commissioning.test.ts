import { describe, expect, test } from 'vitest';
import { LockerBank } from '../../../simulators/boards/bank.ts';
import type { BoardSettings } from '../../../simulators/boards/board.ts';
import { xorFamily } from '../../../simulators/boards/xor-family.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { describeAnswer, settingLines } from '../../../src/cli/commands/commission.ts';
import type { ReadingSink } from '../../../src/edge/contracts/reading.ts';
import { describerOf } from '../../../src/edge/drivers/describe/table.ts';
import { type CommissionAnswer, Commissioning } from '../../../src/edge/gateway/commission/commissioning.ts';
import { textsOf } from '../../../src/edge/gateway/findings.ts';
import { isEventType } from '../../../src/evidence/event/vocabulary.ts';
import { bytesOf } from '../drivers/support.ts';

const POLL_MS = 250;

/** A simulated board, read as the bus reads it, and a technician with hands. */
class Site {
  readonly scheduler = new ManualScheduler();
  readonly events: Record<string, unknown>[] = [];
  readonly steps: string[] = [];
  readonly bank: LockerBank;
  readonly board: BoardSettings;
  commissioning: Commissioning;
  readonly state = new Map<string, string>();
  away = false;
  contradicted: readonly string[] = [];
  #sink: ReadingSink;

  constructor(options: { readonly shutReads?: 0 | 1; readonly wired?: readonly number[] } = {}) {
    const { shutReads = 1, wired = [1, 2, 3, 4] } = options;
    this.board = {
      name: 'bank-a',
      address: 1,
      channels: 16,
      shutReads,
      unwiredReads: 1,
      itemSensors: false,
      unlockReply: 'none',
      turnaroundMs: 5,
    };
    // What hangs on a channel, whatever the settings of the gateway say.
    this.bank = new LockerBank(
      wired.map((channel, index) => ({ name: `door-${index + 1}`, board: 'bank-a', channel })),
    );
    this.commissioning = this.#start();
    this.#sink = this.commissioning.tapping(() => undefined);
  }

  /** A restart of the daemon. */
  restart(polarity?: 'closed_is_1' | 'closed_is_0'): void {
    this.commissioning = this.#start(polarity);
    this.#sink = this.commissioning.tapping(() => undefined);
  }

  #start(polarity?: 'closed_is_1' | 'closed_is_0'): Commissioning {
    const compartments = [1, 2, 3].map((channel) => ({
      name: `c${channel}`,
      device: 'bank-a',
      channel,
      item_sensor: false,
      controlled: false,
      ...(polarity !== undefined && { polarity }),
    }));
    return new Commissioning({
      compartments,
      driverOf: () => 'xor_8a80',
      onContradicted: (names) => {
        this.contradicted = [...names];
      },
      scheduler: this.scheduler,
      observer: {
        observe: () => ({
          wallMs: this.scheduler.wallMs(),
          upMs: this.scheduler.monotonicMs(),
          clock: { src: 'none' as const },
        }),
      },
      journal: {
        appender: {
          append: ({ body }) => {
            expect(isEventType(body.type)).toBe(true);
            this.events.push({ ...body });
            return 'accepted' as never;
          },
          flush: async () => undefined,
        },
        loadState: (name) => this.state.get(name),
        saveState: (name, text) => void this.state.set(name, text),
      },
    });
  }

  async run(forMs: number): Promise<void> {
    for (let passed = 0; passed < forMs; passed += POLL_MS) {
      this.scheduler.advance(POLL_MS);
      this.#poll();
      for (let turn = 0; turn < 4; turn += 1) await Promise.resolve();
    }
  }

  #poll(): void {
    if (this.away) return;
    const [said] = xorFamily.hear(this.board, this.bank, bytesOf('80 01 00 33 B2'));
    const described = describerOf('xor_8a80')?.(said?.bytes ?? new Uint8Array(0));
    if (described?.ok !== true) throw new Error('the simulated board did not answer');
    const channels = (described.value.locks ?? []).map(({ lock, feedback }) => ({ channel: lock, feedback }));
    const upMs = this.scheduler.monotonicMs();
    const observed = { wallMs: this.scheduler.wallMs(), upMs, clock: { src: 'none' as const } };
    this.#sink({ kind: 'board', device: 'bank-a', observed, askedUpMs: upMs, channels });
  }

  begin(compartment: string, acceptUnlike = false) {
    const stop = new AbortController();
    const walk = this.commissioning.walk(
      { compartment, moveLimitMs: 20_000, acceptUnlike },
      (step) => void (this.steps.at(-1) === step || this.steps.push(step)),
      stop.signal,
    );
    const ended: { answer?: CommissionAnswer; error?: unknown } = {};
    walk.then(
      (answer) => (ended.answer = answer),
      (error: unknown) => (ended.error = error),
    );
    return { ended, stop };
  }

  /** The whole walk, with the hands on `door`. */
  async walk(compartment: string, door: string, acceptUnlike = false): Promise<CommissionAnswer | undefined> {
    const { ended } = this.begin(compartment, acceptUnlike);
    await this.run(3_000);
    this.bank.open(door);
    await this.run(4_000);
    this.bank.shut(door);
    await this.run(4_000);
    return ended.answer;
  }
}

describe('commissioning a door', () => {
  test.each([
    [1, 'closed_is_1', [1, 0, 1]],
    [0, 'closed_is_0', [0, 1, 0]],
  ] as const)(
    'a switch that reads %i when shut is %s, and a signed record says so',
    async (shutReads, polarity, reads) => {
      const site = new Site({ shutReads });
      expect(await site.walk('c2', 'door-2')).toEqual({
        compartment: 'c2',
        verdict: 'commissioned',
        expected: { device: 'bank-a', channel: 2 },
        found: { device: 'bank-a', channel: 2 },
        polarity,
        reads,
        itemSensor: false,
        contradictsSettings: true,
      });
      expect(site.steps).toEqual(['looking', 'open', 'close']);
      expect(site.events).toEqual([
        {
          type: 'device.commissioned',
          compartment: 'c2',
          device: 'bank-a',
          data: { channel: 2, item_sensor: false, polarity, reads },
        },
      ]);
    },
  );

  test('swapped wires: the channel that moved is named, with the compartment that the settings have there; nothing is recorded', async () => {
    const site = new Site({ wired: [2, 1, 3, 4] });
    const answer = await site.walk('c1', 'door-1');
    expect(answer).toMatchObject({
      verdict: 'other_channel',
      found: { channel: 2 },
      foundIs: 'c2',
      polarity: 'closed_is_1',
    });
    expect(site.events).toEqual([]);
    expect(answer === undefined ? '' : describeAnswer(answer)).toMatch(
      /expected bank-a channel 1, found bank-a channel 2.*c2/,
    );
    expect(answer === undefined ? [] : settingLines([answer])).toEqual([
      'custody:',
      '  compartments:',
      '    - name: c1',
      '      device: bank-a',
      '      channel: 2',
      '      polarity: closed_is_1',
    ]);
  });

  test('missing feedback: a door that moves and is not seen to is told from one that reads shut', async () => {
    const site = new Site({ wired: [9, 10, 11] });
    const { ended } = site.begin('c1');
    await site.run(30_000);
    expect(ended.answer).toMatchObject({ verdict: 'no_change' });
    expect(site.events).toEqual([]);
  });

  test('a door that moves by itself before it is asked for: restless, and it is named', async () => {
    const site = new Site();
    const { ended } = site.begin('c1');
    for (let time = 0; time < 30; time += 1) {
      if (time % 2 === 0) site.bank.open('door-3');
      else site.bank.shut('door-3');
      await site.run(1_000);
    }
    expect(ended.answer).toMatchObject({ verdict: 'restless', moved: [{ device: 'bank-a', channel: 3 }] });
  });

  test('another door that is touched meanwhile spoils the walk', async () => {
    const site = new Site();
    const { ended } = site.begin('c1');
    await site.run(3_000);
    site.bank.open('door-1');
    site.bank.open('door-3');
    await site.run(4_000);
    expect(ended.answer).toMatchObject({ verdict: 'several_moved', moved: [{ channel: 1 }, { channel: 3 }] });
    const second = site.begin('c1');
    site.bank.shut('door-1');
    site.bank.shut('door-3');
    await site.run(4_000);
    site.bank.open('door-1');
    await site.run(3_000);
    site.bank.open('door-2');
    site.bank.shut('door-1');
    await site.run(4_000);
    expect(second.ended.answer).toMatchObject({ verdict: 'several_moved' });
    expect(site.events).toEqual([]);
  });

  test('a door that stays open is not commissioned; nor is one whose board is away', async () => {
    const site = new Site();
    const { ended } = site.begin('c1');
    await site.run(3_000);
    site.bank.open('door-1');
    await site.run(30_000);
    expect(ended.answer).toMatchObject({ verdict: 'not_closed' });
    site.away = true;
    const dark = site.begin('c2');
    await site.run(30_000);
    expect(dark.ended.answer).toMatchObject({ verdict: 'board_away' });
  });

  test('one that reads otherwise than all its neighbours may have stood open at the beginning: recorded only on demand', async () => {
    const site = new Site();
    await site.walk('c1', 'door-1');
    await site.walk('c2', 'door-2');
    site.bank.open('door-3');
    const { ended } = site.begin('c3');
    await site.run(3_000);
    site.bank.shut('door-3');
    await site.run(4_000);
    site.bank.open('door-3');
    await site.run(4_000);
    expect(ended.answer).toMatchObject({ verdict: 'unlike_neighbours', polarity: 'closed_is_0' });
    expect(site.events).toHaveLength(2);
    site.bank.shut('door-3');
    await site.run(1_000);
    expect(await site.walk('c3', 'door-3')).toMatchObject({ verdict: 'commissioned', polarity: 'closed_is_1' });
  });

  test('the first door of a board that stands open: all are asked to be shut, and it is recorded the right way round', async () => {
    const site = new Site();
    site.bank.open('door-1');
    const { ended } = site.begin('c1');
    await site.run(4_000);
    expect(site.steps).toEqual(['looking', 'shut']);
    site.bank.shut('door-1');
    await site.run(3_000);
    site.bank.open('door-1');
    await site.run(4_000);
    site.bank.shut('door-1');
    await site.run(4_000);
    expect(site.steps).toEqual(['looking', 'shut', 'open', 'close']);
    expect(ended.answer).toMatchObject({ verdict: 'commissioned', polarity: 'closed_is_1', reads: [1, 0, 1] });
  });

  test.each([
    ['the door itself', 'door-1', 1],
    ['another one', 'door-3', 3],
  ] as const)('%s that is not shut ends the walk, and is named', async (_, door, channel) => {
    const site = new Site();
    site.bank.open(door);
    const { ended } = site.begin('c1');
    await site.run(25_000);
    expect(ended.answer).toMatchObject({ verdict: 'not_all_shut', moved: [{ device: 'bank-a', channel }] });
    expect(ended.answer === undefined ? '' : describeAnswer(ended.answer)).toContain(
      `reads otherwise: bank-a channel ${channel}`,
    );
    expect(site.events).toEqual([]);
  });

  test('a neighbour that a walk has recorded is known to stand open, also where all others do', async () => {
    const site = new Site();
    await site.walk('c2', 'door-2');
    for (const door of ['door-1', 'door-2', 'door-3']) site.bank.open(door);
    const { ended } = site.begin('c1');
    await site.run(25_000);
    expect(ended.answer).toMatchObject({ verdict: 'not_all_shut', moved: [{ channel: 2 }] });
  });

  test('doors that are wired in different ways are recorded on demand, though they do not read alike', async () => {
    const site = new Site({ wired: [1, 2, 9] });
    // Channel 3 is not wired and reads as a shut door does; these two are the other way round from here on.
    site.bank.open('door-1');
    const { ended } = site.begin('c1', true);
    await site.run(3_000);
    site.bank.shut('door-1');
    await site.run(4_000);
    site.bank.open('door-1');
    await site.run(4_000);
    expect(site.steps).not.toContain('shut');
    expect(ended.answer).toMatchObject({ verdict: 'commissioned', polarity: 'closed_is_0' });
  });

  test('the only door of a board is held against those of other boards of its kind', async () => {
    const site = new Site();
    const other = { device: 'bank-b', channel: 1, polarity: 'closed_is_0', at: '2026-11-22T09:00:00.000Z' };
    site.state.set('commissioned', JSON.stringify({ v: 1, compartments: { b1: other } }));
    site.restart();
    expect(await site.walk('c1', 'door-1')).toMatchObject({ verdict: 'unlike_neighbours', polarity: 'closed_is_1' });
    expect(await site.walk('c1', 'door-1', true)).toMatchObject({ verdict: 'commissioned' });
  });

  test('a walk that is broken off records nothing, and the next one begins', async () => {
    const site = new Site();
    const { ended, stop } = site.begin('c1');
    await site.run(3_000);
    const busy = site.begin('c2');
    await site.run(POLL_MS);
    expect(busy.ended.error).toMatchObject({ code: 'USAGE' });
    stop.abort();
    await site.run(POLL_MS);
    expect(ended.error).toMatchObject({ code: 'TIMED_OUT' });
    expect(site.events).toEqual([]);
    expect(await site.walk('c1', 'door-1')).toMatchObject({ verdict: 'commissioned' });
  });

  test('what is done survives a restart; settings that say otherwise are a problem until they agree', async () => {
    const site = new Site();
    await site.walk('c1', 'door-1');
    expect(textsOf(site.commissioning.findings(), 'problem').join()).toMatch(
      /c1 was commissioned as closed_is_1.*the settings say nothing/,
    );
    site.restart('closed_is_0');
    expect(textsOf(site.commissioning.findings(), 'problem').join()).toMatch(/the settings say closed_is_0/);
    expect(site.contradicted).toEqual(['c1']);
    // Found while the gateway runs, it counts at once.
    expect(await site.walk('c2', 'door-2')).toMatchObject({ verdict: 'commissioned', contradictsSettings: true });
    expect(site.contradicted).toEqual(['c1', 'c2']);
    site.state.set('commissioned', JSON.stringify({ v: 1, compartments: { c1: recordOf(site, 'c1') } }));
    site.restart('closed_is_0');
    expect(site.commissioning.rows().map(({ compartment, at }) => [compartment, at !== undefined])).toEqual([
      ['c1', true],
      ['c2', false],
      ['c3', false],
    ]);
    site.restart('closed_is_1');
    expect(textsOf(site.commissioning.findings(), 'problem')).toEqual([]);
    expect(site.contradicted).toEqual([]);
  });
});

function recordOf(site: Site, name: string): unknown {
  const saved = JSON.parse(site.state.get('commissioned') ?? '{}') as { compartments?: Record<string, unknown> };
  return saved.compartments?.[name];
}
