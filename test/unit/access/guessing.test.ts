/** Whoever guesses: locks of a device and of a site, over restarts, and what the journal says of them. */
import { describe, expect, test } from 'vitest';
import { accessSettingsSchema } from '../../../src/edge/access/settings.ts';
import { SETTINGS, table } from './bench.ts';

describe('guessing', () => {
  test('locks a device after a few wrong codes, for twice as long each time, also for the right one', async () => {
    const made = table();
    await made.grant('48151623');
    for (let i = 0; i < 6; i += 1) await made.type(`1000000${i}`);
    expect(made.bodies('access.refused').at(-1)?.data).toMatchObject({ attempts: 6, locked_ms: 10_000 });
    await made.type('48151623');
    expect(made.opened).toEqual([]);
    expect(made.reasons().at(-1)).toBe('locked');
    made.scheduler.advance(10_001);
    await made.type('10000007');
    expect(made.bodies('access.refused').at(-1)?.data).toMatchObject({ locked_ms: 20_000 });
    made.scheduler.advance(20_001);
    await made.type('48151623');
    expect(made.opened).toHaveLength(1);
  });

  test('a lock outlives a restart: pulling the plug shortens it by nothing', async () => {
    const made = table();
    await made.grant('48151623');
    for (let i = 0; i < 6; i += 1) await made.type(`1000000${i}`);
    const next = table({ dir: made.cut() });
    await next.type('48151623');
    expect(next.reasons()).toEqual(['locked']);
    next.scheduler.advance(9_000);
    await next.type('48151623');
    expect(next.opened).toEqual([]);
  });

  test('of a lock only the first attempt is told, and the next entry tells how many there were', async () => {
    const made = table();
    for (let i = 0; i < 6; i += 1) await made.type(`1000000${i}`);
    for (let i = 0; i < 50; i += 1) await made.type('48151623');
    expect(made.reasons().filter((reason) => reason === 'locked')).toHaveLength(1);
    made.scheduler.advance(10_001);
    await made.type('48151623');
    expect(made.bodies('access.refused').at(-1)?.data['attempts']).toBe(7 + 49);
  });

  test('one good credential does not wash away guesses made with it in turn', async () => {
    const made = table();
    await made.grant('48151623', { usesMax: 0 });
    for (let i = 0; i < 6; i += 1) {
      await made.type(`1000000${i}`);
      await made.type('48151623');
    }
    expect(made.reasons().at(-1)).toBe('locked');
    expect(made.opened).toHaveLength(5);
  });

  test('at many devices together locks the site', async () => {
    const settings = accessSettingsSchema.parse({
      ...SETTINGS,
      devices: Array.from({ length: 8 }, (_, i) => ({ name: `pad-${i}` })),
    });
    const made = table({ settings });
    await made.grant('48151623');
    for (let i = 0; i < 31; i += 1) await made.type(`100000${10 + i}`, `pad-${i % 7}`);
    await made.type('48151623', 'pad-7');
    expect(made.reasons().at(-1)).toBe('locked');
  });

  test('wrong codes are forgotten with time', async () => {
    const made = table();
    for (let i = 0; i < 5; i += 1) await made.type(`1000000${i}`);
    made.scheduler.advance(5 * 600_000);
    for (let i = 0; i < 5; i += 1) await made.type(`1000000${i}`);
    expect(made.bodies('access.refused').at(-1)?.data).not.toHaveProperty('locked_ms');
  });
});
