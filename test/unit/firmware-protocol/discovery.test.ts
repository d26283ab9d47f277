/** Devices in C on one shared line, found by the tree walk although their answers collide. */
import { afterEach, expect, test } from 'vitest';
import {
  type Discovery,
  discoveryQuestion,
  discoveryStep,
  NOTHING_FOUND,
} from '../../../firmware-protocol/codec/discovery.ts';
import { type Frame, FrameReceiver } from '../../../firmware-protocol/codec/frame.ts';
import { hex } from '../../../src/base/bytes.ts';
import { BenchDevice } from '../../support/wire-bench.ts';

const devices: BenchDevice[] = [];
afterEach(async () => {
  for (const device of devices.splice(0)) expect(await device.end(), 'sanitizers found nothing').toBe(0);
});

type Collide = (answers: readonly Uint8Array[]) => Uint8Array;

/** Drivers that pull against each other: what is read is neither. */
const garble: Collide = (answers) =>
  Uint8Array.from({ length: Math.max(...answers.map(({ length }) => length)) }, (_, i) =>
    answers.reduce((bits, answer) => bits | (answer[i] ?? 0), 0),
  );
/** The nearest device drowns the others: one sound answer hides them. */
const capture: Collide = (answers) => answers[0] ?? new Uint8Array(0);

async function walk(collide: Collide): Promise<{ readonly state: Discovery; readonly questions: number }> {
  let state = NOTHING_FOUND;
  let questions = 0;
  for (let line = discoveryQuestion(state); line !== undefined; line = discoveryQuestion(state)) {
    const said = await Promise.all(devices.map((device) => device.hear(line ?? new Uint8Array(0))));
    const answers = said.filter(({ length }) => length > 0);
    const heard = answers.length > 1 ? collide(answers) : (answers[0] ?? new Uint8Array(0));
    const receiver = new FrameReceiver();
    const frames: Frame[] = [];
    let damagedBytes = 0;
    for (const received of receiver.push(heard)) {
      if (received.kind === 'frame') frames.push(received.frame);
      else damagedBytes += received.sizeBytes;
    }
    state = discoveryStep(state, { frames, damagedBytes: damagedBytes + receiver.reset() });
    questions += 1;
    if (questions > 2_000) throw new Error('the walk does not end');
  }
  return { state, questions };
}

const IDENTITIES = ['0102030405060708', '0102030405060709', 'ff00000000000001', '8000000000000000', '0102ff0000000000'];

test.each([
  ['answers that garble each other', garble],
  ['a strong answer that hides the weak ones', capture],
] as const)('every device is found: %s', async (_name, collide) => {
  for (const [i, identity] of IDENTITIES.entries()) {
    devices.push(await BenchDevice.start({ identity: Buffer.from(identity, 'hex'), address: i < 2 ? 7 : 254 }));
  }
  const { state, questions } = await walk(collide);
  expect(state.found.map(({ identity }) => hex(identity)).sort()).toEqual([...IDENTITIES].sort());
  expect(state.unclear).toEqual([]);
  // Two identities that differ in their last bit cost the whole depth.
  expect(questions).toBeLessThan(64 * 4 + 20 * IDENTITIES.length);
});

test('two devices with one identity are told as unclear, and the walk ends', async () => {
  for (const channels of [4, 8]) {
    devices.push(await BenchDevice.start({ identity: Buffer.from(IDENTITIES[0] ?? '', 'hex'), boot: channels }));
  }
  const { state } = await walk(garble);
  expect(state.unclear.map(hex)).toEqual([IDENTITIES[0]]);
  expect(state.found).toEqual([]);
});

test('an empty line is silent after two questions', async () => {
  expect(await walk(garble)).toMatchObject({ state: { found: [], unclear: [] }, questions: 2 });
});
