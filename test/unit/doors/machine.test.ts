/** The opening machine in random interleavings: what it may never do, whatever comes in whatever order. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { OpenRequest } from '../../../src/edge/contracts/doors.ts';
import {
  type DoorsInput,
  type DoorsOutput,
  type DoorsState,
  IDLE,
  RECENT_IDS_MAX,
  stepDoors,
} from '../../../src/edge/doors/machine.ts';
import { doorsSettingsSchema } from '../../../src/edge/doors/settings.ts';

const OPEN_MAX = 2;
const settings = doorsSettingsSchema.parse({
  open_max: OPEN_MAX,
  per_minute: { compartment: 50, actor: 50, site: 50 },
});
const PLACES = ['A1', 'A2', 'A3', 'A4'] as const;

function requestOf(compartment: string): OpenRequest {
  return { id: new Uint8Array(16), compartment, actor: { kind: 'operator', ref: 'x' }, cause: 'command' };
}

type Action =
  | { readonly do: 'ask'; readonly id: number; readonly place: number }
  | { readonly do: 'recorded'; readonly id: number; readonly durable: boolean }
  | { readonly do: 'answered'; readonly id: number; readonly sent: boolean; readonly lateMs: number }
  | { readonly do: 'cancelled'; readonly id: number }
  | { readonly do: 'door'; readonly place: number; readonly open: boolean }
  | { readonly do: 'stop' | 'resume' }
  | { readonly do: 'time'; readonly ms: number };

const id = fc.integer({ min: 0, max: 15 });
const place = fc.integer({ min: 0, max: PLACES.length - 1 });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ask' as const), id, place }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('recorded' as const), id, durable: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('answered' as const),
      id,
      sent: fc.boolean(),
      lateMs: fc.integer({ min: 0, max: 1_500 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancelled' as const), id }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('door' as const), place, open: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('stop' as const, 'resume' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('time' as const), ms: fc.integer({ min: 0, max: 20_000 }) }) },
);

class World {
  state: DoorsState = IDLE;
  nowMs = 0;
  readonly open = new Set<string>();
  readonly outputs: DoorsOutput[] = [];
  readonly recorded = new Set<string>();
  readonly sent = new Map<string, { readonly compartment: string; readonly count: number }>();
  readonly ended = new Map<string, string>();
  /** Where time goes on by itself, a question and what it finds are one moment. */
  feed(input: DoorsInput): void {
    const { state, outputs } = stepDoors(this.state, input, this.nowMs, settings);
    this.state = state;
    for (const output of outputs) this.#take(output);
  }

  perform(act: Action): void {
    this.nowMs += 1;
    if (act.do === 'recorded' || act.do === 'answered' || act.do === 'cancelled')
      this.#perform(act, this.#meant(act.id));
    else this.#perform(act, '');
  }

  /** Mostly one that is on its way; now and then any. */
  #meant(of: number): string {
    const { intents } = this.state;
    return of < 13 && intents.length > 0 ? (intents[of % intents.length]?.id ?? '') : `${of}`;
  }

  #perform(act: Action, meant: string): void {
    const now = (compartment: string) =>
      ({ kind: 'usable', door: this.open.has(compartment) ? 'open' : 'shut', away: false }) as const;
    const open = [...this.open];
    switch (act.do) {
      case 'ask': {
        const compartment = PLACES[act.place] ?? 'A1';
        this.feed({ kind: 'asked', id: `${act.id}`, request: requestOf(compartment), now: now(compartment), open });
        break;
      }
      case 'recorded': {
        const at = this.state.intents.find((each) => each.id === meant)?.request.compartment ?? 'A1';
        if (act.durable) this.recorded.add(meant);
        this.feed({ kind: 'recorded', id: meant, durable: act.durable, now: now(at), open });
        break;
      }
      case 'answered': {
        const answer = act.sent
          ? ({ kind: 'sent', sentUpMs: this.nowMs - act.lateMs, reply: 'accepted' } as const)
          : ({ kind: 'not_sent', reason: 'port_not_open' } as const);
        this.feed({ kind: 'answered', id: meant, answer });
        break;
      }
      case 'cancelled':
        this.feed({ kind: 'cancelled', id: meant });
        break;
      case 'door': {
        const compartment = PLACES[act.place] ?? 'A1';
        if (act.open && !this.open.has(compartment)) {
          this.open.add(compartment);
          this.feed({ kind: 'opened', compartment, toMs: this.nowMs });
        }
        if (!act.open) this.open.delete(compartment);
        break;
      }
      case 'stop':
      case 'resume':
        this.feed({ kind: act.do });
        break;
      case 'time':
        this.nowMs += act.ms;
        this.feed({ kind: 'tick' });
    }
  }

  #take(output: DoorsOutput): void {
    this.outputs.push(output);
    if (output.kind === 'send') {
      const { id: name, request } = output.intent;
      this.sent.set(name, { compartment: request.compartment, count: (this.sent.get(name)?.count ?? 0) + 1 });
      expect(this.recorded).toContain(name);
      expect(this.state.stopped).toBe(false);
      // The interlock: what stands open, and what is on its way, this one included.
      const sending = this.state.intents.filter(({ phase }) => phase !== 'recording');
      const busy = new Set([...this.open, ...sending.map((each) => each.request.compartment)]);
      expect(busy.size).toBeLessThanOrEqual(OPEN_MAX);
      expect(this.open).not.toContain(request.compartment);
    }
    if (output.kind === 'ended') {
      expect(this.ended.has(output.intent.id)).toBe(false);
      this.ended.set(output.intent.id, output.ending.result);
      if (output.ending.result !== 'not_sent') expect(this.sent.has(output.intent.id)).toBe(true);
    }
  }
}

describe('the opening machine', () => {
  test('sends at most one frame for an intent, only a durable one, and never past the interlock or a stop', () => {
    let sent = 0;
    const endings = new Set<string>();
    fc.assert(
      fc.property(fc.array(action, { maxLength: 80, size: 'max' }), (actions) => {
        const world = new World();
        for (const each of actions) world.perform(each);
        for (const { count } of world.sent.values()) expect(count).toBe(1);
        sent += world.sent.size;
        for (const result of world.ended.values()) endings.add(result);
        // Nothing stays on its way for ever.
        world.nowMs += 60_000;
        world.feed({ kind: 'tick' });
        expect(world.state.intents.filter(({ phase }) => phase !== 'recording')).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
    // Or the property would hold of nothing.
    expect(sent).toBeGreaterThan(200);
    expect([...endings].sort()).toEqual(['not_sent', 'opened', 'unverified']);
  });

  test('success is a door that was first seen open after the frame', () => {
    const at = (toMs: number): DoorsOutput | undefined => {
      const world = new World();
      world.nowMs = 1_000;
      world.perform({ do: 'ask', id: 1, place: 0 });
      world.perform({ do: 'recorded', id: 1, durable: true });
      world.feed({ kind: 'opened', compartment: 'A1', toMs });
      world.feed({ kind: 'answered', id: '1', answer: { kind: 'sent', sentUpMs: 1_100, reply: 'none_expected' } });
      return world.outputs.at(-1);
    };
    expect(at(1_240)).toMatchObject({ ending: { result: 'opened', tookMs: 140 } });
    expect(at(1_099)).toMatchObject({ ending: { result: 'unverified', reason: 'open_before' } });
  });

  test('a reply of the board is no success', () => {
    const world = new World();
    world.perform({ do: 'ask', id: 1, place: 0 });
    world.perform({ do: 'recorded', id: 1, durable: true });
    world.perform({ do: 'answered', id: 1, sent: true, lateMs: 0 });
    expect(world.ended.size).toBe(0);
    world.perform({ do: 'time', ms: settings.seen_within_ms + 1 });
    expect(world.outputs.at(-1)).toMatchObject({ ending: { result: 'unverified', reason: 'not_seen' } });
  });

  test('an id counts once, also after it ended, and ids are bounded', () => {
    const world = new World();
    const ask = (name: string): void =>
      world.feed({
        kind: 'asked',
        id: name,
        request: requestOf('A1'),
        now: { kind: 'usable', door: 'shut', away: false },
        open: [],
      });
    ask('one');
    world.feed({ kind: 'cancelled', id: 'one' });
    ask('one');
    expect(world.outputs.at(-1)).toEqual({ kind: 'refused', id: 'one', reason: 'repeated_id' });
    for (let i = 0; i < RECENT_IDS_MAX + 50; i += 1) {
      world.nowMs += 60_000;
      ask(`${i}`);
      world.feed({ kind: 'cancelled', id: `${i}` });
    }
    expect(world.state.recent).toHaveLength(RECENT_IDS_MAX);
    expect(world.state.openings.length).toBeLessThanOrEqual(settings.per_minute.site);
  });
});

describe('reasons against an opening', () => {
  const ask = (
    state: DoorsState,
    more: Partial<Extract<DoorsInput, { kind: 'asked' }>> = {},
    with_: Partial<typeof settings> = {},
  ): DoorsOutput | undefined =>
    stepDoors(
      state,
      {
        kind: 'asked',
        id: 'next',
        request: requestOf('A1'),
        now: { kind: 'usable', door: 'shut', away: false },
        open: [],
        ...more,
      },
      1_000,
      { ...settings, ...with_ },
    ).outputs[0];
  const on = (compartment: string): DoorsState => ({
    ...IDLE,
    intents: [{ id: 'before', request: requestOf(compartment), askedMs: 0, phase: 'watching' }],
  });
  const late = { ...requestOf('A1'), untilUpMs: 999 };
  const once = { compartment: 1, actor: 9, site: 9 };
  const opened = { ...IDLE, openings: [{ atMs: 0, compartment: 'A1', actor: 'operator y' }] };
  test.each([
    ['stopped', ask({ ...IDLE, stopped: true })],
    ['unknown_compartment', ask(IDLE, { now: { kind: 'unusable', reason: 'unknown_compartment' } })],
    ['not_commissioned', ask(IDLE, { now: { kind: 'unusable', reason: 'not_commissioned' } })],
    ['board_away', ask(IDLE, { now: { kind: 'usable', door: 'shut', away: true } })],
    ['board_away', ask(IDLE, { now: { kind: 'usable', door: 'unknown', away: false } })],
    ['already_open', ask(IDLE, { now: { kind: 'usable', door: 'open', away: false } })],
    ['already_opening', ask(on('A1'))],
    ['interlock', ask(on('A2'), { open: ['A3'] })],
    ['too_late', ask(IDLE, { request: late })],
    ['rate', ask(opened, {}, { per_minute: once })],
    ['rate', ask(opened, { request: requestOf('A1') }, { per_minute: { compartment: 9, actor: 9, site: 1 } })],
  ])('%s', (reason, output) => expect(output).toEqual({ kind: 'refused', id: 'next', reason }));

  test('none', () => expect(ask(on('A2'))).toMatchObject({ kind: 'record' }));
});
