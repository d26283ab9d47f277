/** Codes and credentials: what opens, what does not, and what the journal says of either. */
import { describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { accessSettingsSchema } from '../../../src/edge/access/settings.ts';
import type { OpenRequest } from '../../../src/edge/contracts/doors.ts';
import { until } from '../../support/until.ts';
import { type AccessTable, COURIER, RECIPIENT, SETTINGS, table } from './bench.ts';

const HOUR_MS = 3_600_000;

function openedAt(made: AccessTable): readonly string[] {
  return made.opened.map(({ compartment }) => compartment);
}

describe('a one-time code', () => {
  test('opens its door once: who, where and by what method is durable before the door is asked', async () => {
    const asked: number[] = [];
    const made: AccessTable = table({
      open: async () => {
        asked.push(made.bodies('access.granted').length);
        return { kind: 'opened', tookMs: 5 };
      },
    });
    await made.grant('48151623');
    await made.type('48151623');
    expect(asked).toEqual([1]);
    expect(made.opened).toMatchObject([
      { compartment: 'A01', actor: RECIPIENT, cause: 'access', method: 'code_keypad', id: expect.any(Uint8Array) },
    ]);
    expect(made.bodies()).toMatchObject([
      {
        type: 'access.granted',
        compartment: 'A01',
        device: 'pad',
        actor: RECIPIENT,
        data: { method: 'code_keypad', attempts: 1, credential: '48151623-id' },
      },
    ]);
    expect(made.signals).toEqual(['pad granted']);
    await made.type('48151623');
    expect(made.opened).toHaveLength(1);
    expect(made.bodies('access.refused')).toMatchObject([{ data: { reason: 'used', credential: '48151623-id' } }]);
    expect(made.signals).toEqual(['pad granted', 'pad refused']);
  });

  test('that nobody granted opens nothing, and names no credential', async () => {
    const made = table();
    await made.grant('48151623');
    await made.type('48151624');
    expect(made.opened).toEqual([]);
    expect(made.bodies('access.refused')).toMatchObject([
      { device: 'pad', data: { reason: 'unknown_code', method: 'code_keypad', attempts: 1 } },
    ]);
    expect(made.bodies()[0]?.data).not.toHaveProperty('credential');
  });

  test('that was revoked opens nothing, also when the revocation came before the grant', async () => {
    const made = table();
    await made.grant('48151623');
    expect(made.store.revoke('48151623-id')).toBe('revoked');
    await made.type('48151623');
    expect(made.store.revoke('late-id')).toBe('revoked');
    expect(await made.grant('23421000', { id: 'late-id' })).toBe('credential_known');
    await made.type('23421000');
    expect(made.opened).toEqual([]);
    expect(made.reasons()).toEqual(['revoked', 'unknown_code']);
  });

  test('opens nothing at a device that does not serve its compartment, or where no codes count', async () => {
    const made = table();
    await made.grant('48151623');
    await made.type('48151623', 'side');
    await made.type('48151623', 'elsewhere');
    expect(made.opened).toEqual([]);
    expect(made.reasons()).toEqual(['not_here', 'not_here']);
    await made.type('48151623');
    expect(made.opened).toHaveLength(1);
  });

  test('that is typed twice at once opens once', async () => {
    const made = table();
    await made.grant('48151623');
    await Promise.all([made.type('48151623'), made.type('48151623', 'desk'), made.type('48151623')]);
    expect(made.opened).toHaveLength(1);
  });

  test('is given back when the doors say that nothing was sent, and only then', async () => {
    const answers = [
      { kind: 'refused', reason: 'interlock' },
      { kind: 'unverified', reason: 'not_seen' },
    ] as const;
    const made: AccessTable = table({
      open: async () => answers[made.opened.length - 1] ?? { kind: 'opened', tookMs: 1 },
    });
    await made.grant('48151623');
    await made.type('48151623');
    expect(made.reasons()).toEqual(['door_interlock']);
    await made.type('48151623');
    await made.type('48151623');
    expect(made.opened).toHaveLength(2);
    expect(made.reasons()).toEqual(['door_interlock', 'used']);
  });

  test.each(['refused', 'broken'] as const)(
    'opens nothing while the journal is %s, and is not used up',
    async (how) => {
      const made = table();
      await made.grant('48151623');
      made.journal = how;
      await made.type('48151623');
      expect(made.opened).toEqual([]);
      made.journal = 'sound';
      await made.type('48151623');
      expect(made.opened).toHaveLength(1);
    },
  );
});

describe('the end of a code', () => {
  test('comes by the box’s own running time, also over restarts and without any clock', async () => {
    const made = table({ clock: { src: 'none' } });
    await made.grant('48151623', { endsAtRunMs: made.store.moment().runMs + HOUR_MS });
    made.scheduler.advance(HOUR_MS / 2);
    const next = table({ dir: made.cut(), clock: { src: 'none' } });
    next.scheduler.advance(HOUR_MS / 2 - 61_000);
    await next.grant('55555555', { compartments: ['A02'] });
    next.scheduler.advance(62_000);
    await next.type('48151623');
    expect(next.reasons()).toEqual(['expired']);
    await next.type('55555555');
    expect(openedAt(next)).toEqual(['A02']);
  });

  test('comes by wall time where the clock can be trusted', async () => {
    const made = table();
    await made.grant('48151623', { untilWallMs: made.now().wallMs + 60_000 });
    made.scheduler.advance(60_001);
    await made.type('48151623');
    expect(made.reasons()).toEqual(['expired']);
  });

  test('is not put off by a clock that nobody set: what was once known counts on', async () => {
    const made = table();
    const untilWallMs = made.now().wallMs + 60_000;
    await made.grant('48151623', { untilWallMs });
    const next = table({ dir: made.cut(), clock: { src: 'rtc' }, scheduler: new ManualScheduler(0) });
    next.scheduler.advance(60_001);
    await next.type('48151623');
    expect(next.reasons()).toEqual(['expired']);
  });

  test('a beginning that nobody can show to have come has not come', async () => {
    const made = table({ clock: { src: 'none' } });
    await made.grant('48151623', { fromWallMs: made.now().wallMs - 1_000 });
    await made.type('48151623');
    expect(made.reasons()).toEqual(['not_yet']);
    made.clock = { src: 'ntp' };
    await made.type('48151623');
    expect(made.opened).toHaveLength(1);
  });
});

describe('a courier’s credential', () => {
  const DUE = [
    { compartment: 'A01', parcel: { ref: 'parcel-1', scheme: 'unknown' }, kind: 'deposit' },
    { compartment: 'A02', parcel: { ref: 'parcel-2', scheme: 'unknown' }, kind: 'deposit' },
  ] as const;
  const BADGE = 'badge-of-a-courier-0001';

  async function courier(): Promise<AccessTable> {
    const made = table();
    made.due = DUE;
    await made.grant(BADGE, { id: 'credential-7', actor: COURIER, usesMax: 0, compartments: [] });
    return made;
  }

  test('is scanned, and each parcel scanned then opens the compartment that it is assigned to', async () => {
    const made = await courier();
    await made.scan(`LK:${BADGE}`);
    expect(made.opened).toEqual([]);
    expect(made.bodies('access.granted')).toMatchObject([{ actor: COURIER, data: { method: 'code_scan' } }]);
    await made.scan('parcel-2');
    await made.scan('parcel-1');
    await made.scan('parcel-9');
    expect(made.opened).toMatchObject([
      { compartment: 'A02', actor: COURIER, about: { kind: 'deposit', parcel: { ref: 'parcel-2' } } },
      { compartment: 'A01', about: { parcel: { ref: 'parcel-1' } } },
    ]);
    // The parcels go on to custody, each with the door that it asked for; the credential never does.
    expect(made.passed).toMatchObject([{ meant: 'A02' }, { meant: 'A01' }, { code: { text: 'parcel-9' } }]);
    expect(made.passed[2]).not.toHaveProperty('meant');
    expect(JSON.stringify([made.passed, made.drafts])).not.toContain(BADGE);
  });

  test('chooses doors by their number at a keypad', async () => {
    const made = await courier();
    await made.type(BADGE, 'pad');
    await made.type('2', 'pad');
    expect(openedAt(made)).toEqual(['A02']);
  });

  test('chooses no door whose assignment was taken back since the session began', async () => {
    const made = await courier();
    await made.type(BADGE, 'pad');
    made.due = [DUE[0]];
    await made.type('2', 'pad');
    expect(made.opened).toEqual([]);
    await made.type('1', 'pad');
    expect(openedAt(made)).toEqual(['A01']);
  });

  test('ends with its session, and at another device it says nothing', async () => {
    const made = await courier();
    await made.scan(`LK:${BADGE}`);
    await made.scan('parcel-1', 'side');
    made.scheduler.advance(120_001);
    await made.scan('parcel-1');
    expect(made.opened).toEqual([]);
  });

  test('ends when somebody else is let in at the same device, and at that one only', async () => {
    const made = await courier();
    await made.grant('48151623', { compartments: ['B01'] });
    await made.type(BADGE, 'pad');
    await made.scan(`LK:${BADGE}`, 'desk');
    await made.type('48151623', 'pad');
    await made.type('2', 'pad');
    expect(openedAt(made)).toEqual(['B01']);
    await made.scan('parcel-1', 'desk');
    expect(openedAt(made)).toEqual(['B01', 'A01']);
  });

  test('that was revoked meanwhile opens nothing more', async () => {
    const made = await courier();
    await made.scan(`LK:${BADGE}`);
    made.store.revoke('credential-7');
    await made.scan('parcel-1');
    expect(made.opened).toEqual([]);
    expect(made.reasons()).toEqual(['revoked']);
    // It is no other door's scan for that.
    expect(made.passed).toMatchObject([{ meant: 'A01', code: { text: 'parcel-1' } }]);
  });

  test('that is revoked while its grant is written down opens nothing', async () => {
    const made = await courier();
    made.due = [DUE[1]];
    made.journalFlush = async () => void made.store.revoke('credential-7');
    await made.scan(`LK:${BADGE}`);
    expect(made.opened).toEqual([]);
    expect(made.reasons()).toEqual(['revoked']);
  });

  test('opens at once the one door that is meant', async () => {
    const made = await courier();
    made.due = [DUE[1]];
    await made.scan(`LK:${BADGE}`);
    expect(openedAt(made)).toEqual(['A02']);
    made.due = [];
    await made.scan(`LK:${BADGE}`);
    expect(made.reasons()).toEqual(['nothing_assigned']);
  });
});

describe('a scan', () => {
  test('that is no credential goes on as it is', async () => {
    const made = table();
    await made.scan('340123450000000017');
    expect(made.passed).toMatchObject([{ kind: 'scan', device: 'desk' }]);
    expect(made.bodies()).toEqual([]);
  });

  test.each([
    ['340123450000000017LK:48151623', 'glued'],
    ['340123450000000017LK:48151623', undefined],
    ['LK:4815', undefined],
    ['LK:4815 1623', undefined],
  ] as const)('that may hold a credential goes nowhere: %s', async (text, quarantined) => {
    const made = table();
    await made.scan(text, 'desk', quarantined);
    expect(made.passed).toEqual([]);
    expect(made.reasons()).toEqual(['damaged']);
  });

  test('that lost its beginning is hidden where credentials are scanned', async () => {
    const made = table();
    await made.scan('8151623', 'desk', 'incomplete');
    expect(made.passed).toMatchObject([{ hidden: true }]);
  });
});

describe('power that goes', () => {
  const STEPS = ['attempt', 'use', 'granted', 'asked', 'finished'] as const;
  let reached: boolean;

  test.each(STEPS)(
    'right before %s is durable: the code opens once at most, and what it cost is not lost',
    async (step) => {
      let frames = 0;
      reached = false;
      const made: AccessTable = table({
        open: (_request: OpenRequest) => {
          if (step === 'asked') return dead();
          frames += 1;
          return step === 'finished' ? dead() : Promise.resolve({ kind: 'opened', tookMs: 1 });
        },
      });
      await made.grant('48151623');
      cutAt(made, step);
      made.type('48151623').catch(() => undefined);
      await until('power goes', () => reached);
      const next = table({
        dir: made.cut(),
        open: async () => {
          frames += 1;
          return { kind: 'opened', tookMs: 1 };
        },
      });
      const cut = next.bodies('exception.reported').map(({ data }) => data['what']);
      expect(cut).toEqual(step === 'attempt' || step === 'use' ? [] : ['access_cut']);
      await next.type('48151623');
      await next.type('48151623');
      expect(frames).toBeLessThanOrEqual(1);
      expect(frames).toBe(step === 'granted' || step === 'asked' ? 0 : 1);
    },
  );

  /** The write of that step, and all that would come after it, never happens. */
  function cutAt(made: AccessTable, step: (typeof STEPS)[number]): void {
    if (step === 'attempt') made.store.setGuards = () => die();
    if (step === 'use') made.store.use = () => die();
    if (step === 'granted') made.journalFlush = dead;
    if (step === 'finished') made.store.finish = () => die();
  }

  function die(): never {
    reached = true;
    throw new Error('power is gone');
  }

  function dead(): Promise<never> {
    reached = true;
    return new Promise(() => undefined);
  }
});

test('no more is taken than there is room for, and what may still open a door is never pushed out', async () => {
  const settings = accessSettingsSchema.parse({ ...SETTINGS, credentials_max: 3 });
  const made = table({ settings });
  for (const code of ['10000001', '10000002', '10000003']) expect(await made.grant(code)).toBe(undefined);
  expect(await made.grant('10000004')).toBe('store_full');
  await made.type('10000002');
  expect(await made.grant('10000004')).toBe(undefined);
  expect(made.room.status()).toMatchObject({ credentials: 3, live: 3 });
  await made.type('10000003');
  expect(made.opened).toHaveLength(2);
});

test('a code that is in use is not granted twice; one that is over is', async () => {
  const made = table();
  await made.grant('48151623');
  expect(await made.grant('48151623', { id: 'other' })).toBe('code_taken');
  await made.type('48151623');
  expect(await made.grant('48151623', { id: 'other' })).toBe(undefined);
  await made.type('48151623');
  expect(made.opened).toHaveLength(2);
});

test('what waits for a slow check is bounded', async () => {
  const made = table();
  await Promise.all(Array.from({ length: 20 }, (_, i) => made.type(`100000${10 + i}`)));
  expect(made.reasons().length).toBeLessThanOrEqual(6);
  expect(made.signals).toHaveLength(20);
});
