import { afterAll, beforeAll, expect, test } from 'vitest';
import { AccessRig } from './support/access-kills.ts';

let rig: AccessRig;

beforeAll(async () => {
  rig = await AccessRig.make(1);
});
afterAll(() => rig.close());

test('a daemon killed the moment the frame for a code left opens nothing more for that code', async () => {
  expect(await rig.killAt({ at: 'frame' })).toBe('framed');
});
