/** Ways to turn the world of the uplink's machine. */
import type { Output } from '../../../src/edge/uplink/machine-types.ts';
import { FIRST_LOG, LIMITS, World } from './world.ts';

export const SECOND_LOG = 'lockers.example/gw-0001/2-00000002';

/** A world that is live, with its checkpoint acknowledged and marked, and nothing read yet. */
export function liveWorld(commits: number, limits = LIMITS): World {
  const world = new World(limits);
  world.append(commits);
  world.connect();
  world.subscribed();
  world.advance(LIMITS.memoryQuietMs);
  world.compared('agreed');
  world.finishEnrolment(true);
  world.answer(0, true);
  world.finishMark(true);
  return world;
}

/** Reads and sends while the machine asks for it, without any answer. */
export function sendAll(world: World): void {
  for (let i = 0; i < 1_000 && world.reads.length > 0; i += 1) world.finishRead('ok');
}

export function answerAll(world: World, code: number, delivered: boolean): void {
  for (let i = 0; i < 1_000 && world.publishes.length > 0; i += 1) world.answer(code, delivered);
}

export function pump(world: World, code: number, delivered: boolean): void {
  for (let i = 0; i < 1_000 && (world.reads.length > 0 || world.publishes.length > 0); i += 1) {
    sendAll(world);
    answerAll(world, code, delivered);
  }
}

export function lane(world: World, origin = FIRST_LOG) {
  const found = world.state.lanes.find((other) => other.origin === origin);
  if (found === undefined) throw new Error('no such lane');
  return found;
}

export function wentBack(outputs: readonly Output[]) {
  return outputs.flatMap((output) => (output.kind === 'went_back' ? [[output.why, output.to]] : []));
}
