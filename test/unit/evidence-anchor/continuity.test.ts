import { afterAll, describe, expect, test } from 'vitest';
import { judgeContinuity } from '../../../src/evidence/anchor/continuity.ts';
import { CONTINUITY_FINDINGS, type FindingName } from '../../../src/evidence/anchor/findings.ts';
import type { LogHistory, SeenAnchor } from '../../../src/evidence/anchor/history.ts';
import { Random } from '../../support/mutate.ts';
import { type AnchorStep, World } from './world.ts';

const reached = new Set<FindingName>();

function namesOf(logs: readonly LogHistory[]): readonly FindingName[] {
  const { findings } = judgeContinuity(logs);
  for (const finding of findings) reached.add(finding.name);
  return findings.map((finding) => finding.name);
}

function refuted(logs: readonly LogHistory[]): readonly string[] {
  return judgeContinuity(logs)
    .findings.filter((finding) => finding.kind === 'refuted')
    .map((finding) => `${finding.name}: ${finding.detail}`);
}

const STEPS: readonly AnchorStep[] = ['intent', 'increment', 'certify', 'commit', 'whole'];

/** One random thing that happens to an honest gateway. */
function happen(world: World, random: Random, kept: { copy?: ReturnType<World['copy']> }): string {
  const power = { reset: random.below(2) === 0, resume: random.below(5) === 0, online: random.below(4) > 0 };
  const start = { ...power, tpmSeen: random.below(6) > 0 };
  switch (random.below(16)) {
    case 0:
    case 1:
    case 2:
      world.append(1 + random.below(4));
      return 'append';
    case 3:
    case 4:
    case 5:
      world.anchor();
      return 'anchor';
    case 6:
    case 7: {
      const step = STEPS[random.below(STEPS.length)] ?? 'whole';
      world.anchor(step);
      world.start(start);
      return `crash after ${step}`;
    }
    case 8:
    case 9:
    case 10:
      world.compare();
      world.send(random.below(5) === 0 ? 1 : 100);
      return 'send';
    case 11:
      if (random.below(2) === 0) world.stop();
      world.start(start);
      return 'start';
    case 12:
      if (random.below(3) === 0) world.rotate();
      else if (random.below(4) === 0) world.clear();
      return 'rotate or clear';
    case 13:
      kept.copy = world.copy();
      return 'copy';
    case 14:
      if (random.below(3) === 0 && kept.copy !== undefined) {
        world.restore(kept.copy);
        world.start(start);
        return 'restore';
      }
      return '-';
    default:
      if (random.below(4) === 0) world.quarantine(random.below(4), random.below(2) === 0);
      else if (random.below(6) === 0) {
        world.loseDisk();
        world.start(start);
      }
      return 'quarantine or loss';
  }
}

describe('honest histories', () => {
  test('are never refuted, whatever power, disk and network do', () => {
    const kinds = new Map<string, number>();
    let anchors = 0;
    for (let seed = 1; seed <= 1_500; seed += 1) {
      const random = new Random(seed);
      const world = new World();
      const kept = {};
      const story: string[] = [];
      for (let i = 0; i < 40; i += 1) {
        story.push(happen(world, random, kept));
        if (i % 8 !== 7) continue;
        const logs = world.histories();
        const wrong = refuted(logs);
        if (wrong.length > 0) throw new Error(`seed ${seed}: ${wrong.join('; ')}\n${story.join(', ')}`);
        for (const name of namesOf(logs)) kinds.set(name, (kinds.get(name) ?? 0) + 1);
      }
      anchors += world.histories().reduce((sum, log) => sum + log.anchors.length, 0);
    }
    // Or the property would hold of nothing.
    expect(anchors).toBeGreaterThan(5_000);
    for (const name of ['gap_stated', 'gap_open', 'tpm_cleared', 'reset_unobserved', 'anchored_branch'] as const) {
      expect(kinds.get(name) ?? 0, name).toBeGreaterThan(5);
    }
  });

  test.each(STEPS)('power cut after "%s", once, twice and with flapping power, leaves no gap', (step) => {
    const world = new World();
    world.append(3);
    world.anchor();
    for (let times = 1; times <= 3; times += 1) {
      world.append(2);
      world.anchor(step);
      for (let i = 0; i < times; i += 1) world.start({ reset: true });
    }
    world.append(1);
    world.anchor();
    world.send(1_000);
    expect(world.disk.logs).toHaveLength(1);
    expect(namesOf(world.histories())).toEqual([]);
    expect(world.histories()[0]?.anchors.length).toBeGreaterThanOrEqual(4);
  });

  test('the order in which logs and anchors are given changes nothing', () => {
    const random = new Random(9);
    const world = new World();
    for (let i = 0; i < 120; i += 1) happen(world, random, {});
    const logs = world.histories();
    const given = judgeContinuity(logs);
    const turned = logs.toReversed().map((log) => ({ ...log, anchors: log.anchors.toReversed() }));
    const sorted = (verdict: typeof given) => verdict.findings.map(({ name, detail }) => `${name} ${detail}`).sort();
    expect(sorted(judgeContinuity(turned))).toEqual(sorted(given));
    expect(judgeContinuity([])).toEqual({ findings: [], clears: [] });
  });
});

/** A world with `count` anchors in one log, all held by the consumer. */
function anchored(count: number): World {
  const world = new World();
  for (let i = 0; i < count; i += 1) {
    world.append(3);
    world.anchor();
  }
  world.append(2);
  world.send(1_000);
  return world;
}

function withAnchors(
  world: World,
  edit: (anchors: readonly SeenAnchor[]) => readonly SeenAnchor[],
  more: Partial<LogHistory> = {},
): readonly LogHistory[] {
  return world.histories().map((log) => ({ ...log, anchors: edit(log.anchors), ...more }));
}

const at = (anchors: readonly SeenAnchor[], i: number): SeenAnchor => {
  const anchor = anchors.at(i);
  if (anchor === undefined) throw new Error(`anchor ${i}`);
  return anchor;
};

describe('attacks have their names', () => {
  test('an anchor that was taken out of a log which is held', () => {
    const world = anchored(5);
    const without = withAnchors(world, (anchors) => anchors.filter((anchor) => anchor.counter !== 3));
    expect(namesOf(without)).toEqual(['counter_gap']);
    // The first one too: entry 0 says where counting began.
    expect(namesOf(withAnchors(world, (anchors) => anchors.slice(1)))).toEqual(['counter_gap']);
    // Only inside of what is held.
    const unheld = withAnchors(world, (anchors) => anchors.filter((anchor) => anchor.counter !== 3), {
      held: { first: 12, end: 22 },
    });
    expect(namesOf(unheld)).toEqual(['gap_open']);
  });

  test('a disk that was rolled back under software that goes on as if nothing were', () => {
    const world = anchored(3);
    const copy = world.copy();
    world.append(2);
    world.anchor();
    // The fourth never left; the software forgets that the counter is one further.
    world.restore(copy);
    world.disk.last = world.tpm.counter;
    world.append(4);
    world.anchor();
    world.append(1);
    world.send(1_000);
    expect(namesOf(world.histories())).toEqual(['counter_gap']);
  });

  test('the same, when the fourth had left: its tree is not the one that goes on', () => {
    const world = anchored(3);
    const copy = world.copy();
    world.append(2);
    world.anchor();
    world.send(1_000);
    const seen = world.histories();
    world.restore(copy);
    world.append(9);
    world.anchor();
    world.consumer.clear();
    world.send(1_000);
    const branch = world.histories()[0]?.anchors.at(-1);
    const other: SeenAnchor = { ...at(branch === undefined ? [] : [branch], 0), tree: 'other' };
    const both = seen.map((log) => ({ ...log, anchors: [...log.anchors, other] }));
    expect(namesOf(both)).toEqual(['anchor_fork']);
    const unheld = both.map((log) => ({
      ...log,
      anchors: log.anchors.map((anchor) => ({ ...anchor, size: 20 + 0 * anchor.size, tree: 'unknown' as const })),
    }));
    expect(namesOf(unheld)).toContain('anchor_fork');
  });

  test('a TPM whose state was cloned, from two anchors alone', () => {
    const [log] = anchored(2).histories();
    const anchor = at(log?.anchors ?? [], 1);
    const clone = { ...anchor, origin: 'lockers.example/gw-0002/1-00000000', places: [], tree: 'unknown' as const };
    const nothingHeld = { held: { first: 0, end: 0 }, starts: [], times: [] };
    const logs = [anchor, clone].map((each) => ({ ...nothingHeld, origin: each.origin, anchors: [each] }));
    expect(namesOf(logs)).toEqual(['counter_cloned']);
  });

  test('a clock or a restart count that goes back within one reset', () => {
    const world = anchored(3);
    const back = (change: Partial<SeenAnchor>) =>
      withAnchors(world, (anchors) => anchors.map((each) => (each.counter === 3 ? { ...each, ...change } : each)));
    expect(namesOf(back({ clock: 5n }))).toEqual(['clock_back']);
    const restarted = withAnchors(world, (anchors) =>
      anchors.map((each) => ({ ...each, restartCount: each.counter === 3 ? 4 : 5 })),
    );
    expect(namesOf(restarted)).toContain('clock_back');
  });

  test('a tree that leaves the anchor before it out', () => {
    const world = anchored(3);
    const small = withAnchors(world, (anchors) =>
      anchors.map((each) =>
        each.counter === 3 ? { ...each, size: (at(anchors, 1).places[0]?.index ?? 0) - 1 } : each,
      ),
    );
    expect(namesOf(small)).toEqual(['not_contained']);
    // The line is on the note, and the entry was never written.
    const silent = withAnchors(world, (anchors) =>
      anchors.map((each) => (each.counter === 2 ? { ...each, places: [] } : each)),
    );
    expect(namesOf(silent)).toEqual(['not_contained']);
    const open = withAnchors(
      world,
      (anchors) => anchors.map((each) => ({ ...each, places: [], tree: 'unknown' as const })),
      { held: { first: 0, end: 0 } },
    );
    expect(new Set(namesOf(open))).toEqual(new Set(['containment_open']));
  });

  test('the bounds are exact: the entry before the end, the value above what was found, the last entry that is held', () => {
    const world = anchored(3);
    const [log] = world.histories();
    const third = at(log?.anchors ?? [], 2);
    const moved = (index: number) =>
      withAnchors(world, (anchors) =>
        anchors.map((each) => (each.counter === 2 ? { ...each, places: [{ log: each.origin, index }] } : each)),
      );
    expect(namesOf(moved(third.size - 1))).toEqual([]);
    expect(namesOf(moved(third.size))).toEqual(['not_contained']);
    const opened = (found: number) =>
      withAnchors(world, (anchors) => anchors.slice(2), { opening: { log: third.origin, counter: { found } } });
    expect(namesOf(opened(2))).toEqual([]);
    expect(namesOf(opened(3))).toContain('counter_before_opening');
    const held = (end: number) =>
      withAnchors(world, (anchors) => anchors.filter((each) => each.counter !== 2), { held: { first: 0, end } });
    expect(namesOf(held(third.size))).toEqual(['counter_gap']);
    expect(namesOf(held(third.size - 1))).toEqual(['gap_open']);
  });

  test('a tree of the next log that leaves the last anchor of the log before out', () => {
    const world = anchored(2);
    world.rotate();
    world.append(2);
    world.anchor();
    world.send(1_000);
    expect(namesOf(world.histories())).toEqual([]);
    const late = world.histories().map((log) => ({
      ...log,
      anchors: log.anchors.map((each) =>
        each.counter === 2 ? { ...each, places: [{ log: world.open.origin, index: 50 }] } : each,
      ),
    }));
    expect(namesOf(late)).toEqual(['not_contained']);
  });

  test('a log anchored below the value that its entry 0 had found', () => {
    const world = anchored(4);
    world.rotate();
    world.append(1);
    // The state of an emulated TPM is put back.
    world.tpm.counter = 1;
    world.anchor();
    world.send(1_000);
    const names = namesOf(world.histories());
    expect(names).toContain('counter_before_opening');
    expect(names).toContain('counter_cloned');
  });

  test('another TPM, a clock that was set, and a start that calls a crash a clean end are reported', () => {
    const world = anchored(4);
    world.tpm.counter = 2;
    world.start({ reset: true });
    world.send(1_000);
    expect(namesOf(world.histories())).toContain('counter_behind');
    const times = [0n, 600_000n, 1_200_000n].map((time, index) => ({
      log: world.open.origin,
      index,
      time,
      clock: time + (index === 2 ? 86_400_000n : 5_000n),
      resetCount: 3,
      restartCount: 0,
    }));
    expect(namesOf([{ ...at0(world), times }])).toContain('clock_set');
    expect(namesOf([{ ...at0(anchored(1)), times: times.slice(0, 2) }])).toEqual([]);
    const starts = [{ log: 'l', index: 7, clean: true, endedCleanly: false }];
    expect(namesOf([{ ...at0(anchored(1)), starts }])).toEqual(['unclean_end']);
  });

  test('a cleared TPM says from where on its anchors are of another life', () => {
    const world = anchored(2);
    world.clear();
    world.append(3);
    world.anchor();
    world.send(1_000);
    expect(judgeContinuity(world.histories())).toMatchObject({ clears: [4] });
    expect(namesOf(world.histories())).toEqual(['tpm_cleared', 'gap_stated']);
  });

  test('a lie in entry 0 turns "refuted" into "reported", and no further', () => {
    const world = anchored(3);
    world.append(2);
    world.anchor();
    world.loseDisk();
    world.start({ reset: true });
    world.append(2);
    world.anchor();
    world.send(1_000);
    const names = namesOf(world.histories());
    expect(names).toEqual(['gap_stated']);
    expect(refuted(world.histories())).toEqual([]);
  });
});

function at0(world: World): LogHistory {
  const [log] = world.histories();
  if (log === undefined) throw new Error('a log');
  return log;
}

afterAll(() => {
  expect([...reached].sort()).toEqual(Object.keys(CONTINUITY_FINDINGS).sort());
});
