/** Who is on a shared line, asked by the gateway itself (PROTOCOL.md section 5), bounded however the line is disturbed. */
import {
  type Discovery,
  discoveryQuestion,
  discoveryStep,
  type Heard,
  NOTHING_FOUND,
} from '../../../../firmware-protocol/codec/discovery.ts';

/** Twice what 32 devices cost; two that differ in the last bit of their identities cost about 270. */
export const QUESTIONS_MAX = 400;

/** What was found until the tree was walked, or until the bound: noise in each answer would make it endless. */
export async function lookAround(
  shout: (line: Uint8Array) => Promise<Heard>,
  goesOn: () => boolean = () => true,
): Promise<Discovery> {
  let state = NOTHING_FOUND;
  for (let asked = 0; asked < QUESTIONS_MAX && goesOn(); asked += 1) {
    const line = discoveryQuestion(state);
    if (line === undefined) break;
    state = discoveryStep(state, await shout(line));
  }
  return state;
}
