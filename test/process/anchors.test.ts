/** The daemon with a TPM: anchors appear, hold together over cuts, and name what was rolled back. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { anchored, makeTpmRig, type TpmRig, verdictOf } from './support/tpm-rig.ts';

let box: TpmRig;

beforeAll(async () => {
  box = await makeTpmRig({ board: true });
});
afterAll(() => box.close());

test('anchors appear by themselves, and a verifier with AK and counter in its policy says what they cover', async () => {
  const { rig } = box;
  const first = await anchored(rig, 0);
  rig.visit('a1');
  rig.feed.scan(3);
  const counter = await anchored(rig, first + 1);
  await rig.settle();
  const { verdict, log, events } = await verdictOf(box, 'hardware');
  expect(verdict.outcome).toBe('verified');
  expect(log.level).toBe('A2');
  expect(log.anchors).toMatchObject({ refused: [], continuity: [] });
  expect(log.anchors.newest?.counter).toBeGreaterThanOrEqual(counter);
  expect(log.anchors.verified).toBe(log.anchors.found);
  expect(log.tail).toBe(log.end - (log.anchors.size ?? 0));
  const [opened] = events;
  expect(opened?.data['counter']).toEqual({ found: expect.any(Number) });
  const started = events.find(({ type }) => type === 'gateway.started');
  expect(started?.data).toMatchObject({ tpm_resets: expect.any(Number), tpm_restarts: expect.any(Number) });
  const attested = events.filter(({ type }) => type === 'key.attested').map(({ data }) => data['kind']);
  expect(attested).toEqual(['time', 'quote']);
  // Whoever copies the state of an emulated TPM has the same one.
  expect((await verdictOf(box, 'emulated')).log.level).toBe('A0');
});
