import { expect, test } from 'vitest';
import { siteSchema } from '../../../simulators/site/settings.ts';
import { parseStep } from '../../../simulators/site/steps.ts';
import { startSite } from '../../../simulators/site.ts';

test.each([
  ['weigh floor 3500', { do: 'weigh', scale: 'floor', grams: 3_500 }],
  ['weigh floor -20', { do: 'weigh', scale: 'floor', grams: -20 }],
  ['move gps 48.2 -11.5', { do: 'move', receiver: 'gps', to: { lat: 48.2, lon: -11.5 } }],
  ['move gps nowhere', { do: 'move', receiver: 'gps' }],
])('%j is a step', (text, step) => {
  expect(parseStep(text)).toEqual({ ok: true, value: step });
});

test.each(['weigh floor', 'weigh floor 1.5', 'weigh floor 12345678', 'move gps', 'move gps 91 0', 'move gps a b'])(
  '%j is none',
  (text) => {
    expect(parseStep(text)).toMatchObject({ ok: false, reason: 'step' });
  },
);

test('a line has one device, and a site knows which of its lines is what', async () => {
  expect(siteSchema.safeParse({ lines: [{ name: 'a', scale: {}, ssi: {} }] }).success).toBe(false);
  const lines = [
    { name: 'hand', tcp: {}, ssi: {} },
    { name: 'floor', tcp: {}, scale: { speaks: 'toledo' as const } },
    { name: 'gps', tcp: {}, position: {} },
  ];
  const site = await startSite({ site: siteSchema.parse({ lines, cameras: [{ name: 'eye' }] }) });
  try {
    site.scan('hand');
    site.weigh('floor', 1_200);
    site.move('gps', { lat: 1, lon: 2 });
    expect(site.camera('eye').url).toMatch(/^http:\/\/127\.0\.0\.1:/);
    expect(() => site.weigh('gps', 1)).toThrow(/no scale/);
    expect(() => site.move('floor')).toThrow(/no position receiver/);
    expect(() => site.camera('hand')).toThrow(/no camera/);
  } finally {
    await site.close();
  }
});
