/**
 * Finds every device on a shared line by walking the tree of identities, as a pure machine (PROTOCOL.md section 5). Collisions
 * look like damage, and a strong answer can hide a weak one: so a prefix is asked again until it is silent.
 */

import { same } from './bytes.ts';
import { checkBody } from './check-body.ts';
import type { Frame } from './frame.ts';
import { ADDRESS_ALL, lineOf, openContent } from './frame.ts';
import { type Here, readHere, whoBody } from './messages.ts';
import { OPEN_TYPES } from './types.ts';

const IDENTITY_BITS = 64;
/** Silence must be heard so often before it is believed. */
const SILENCES = 2;
const HUSH_TRIES = 3;

/** What came within the time of one question. */
export interface Heard {
  readonly frames: readonly Frame[];
  /** Bytes that were no frame. */
  readonly damagedBytes: number;
}

interface Place {
  readonly prefix: Uint8Array;
  readonly bits: number;
  readonly silences: number;
}

export interface Discovery {
  readonly found: readonly Here[];
  /** Two devices answer under one identity, or something disturbs the line there. */
  readonly unclear: readonly Uint8Array[];
  readonly todo: readonly Place[];
  readonly hushing?: { readonly here: Here; readonly tries: number };
  readonly begun: boolean;
}

export const NOTHING_FOUND: Discovery = {
  found: [],
  unclear: [],
  todo: [{ prefix: new Uint8Array(8), bits: 0, silences: 0 }],
  begun: false,
};

/** The next question, or undefined when the tree is walked. */
export function discoveryQuestion(state: Discovery): Uint8Array | undefined {
  if (state.hushing !== undefined) {
    return lineOf(openContent(false, ADDRESS_ALL, OPEN_TYPES.HUSH, state.hushing.here.identity));
  }
  const [place] = state.todo;
  if (place === undefined) return undefined;
  return lineOf(openContent(false, ADDRESS_ALL, OPEN_TYPES.WHO, whoBody(place.prefix, place.bits, !state.begun)));
}

export function discoveryStep(state: Discovery, heard: Heard): Discovery {
  const from = heard.frames.filter((frame) => frame.fromDevice);
  if (state.hushing !== undefined) return hushed(state, from);
  const [place, ...rest] = state.todo;
  if (place === undefined) return state;
  const begun = { ...state, begun: true };
  const [frame, ...others] = from;
  if (frame === undefined && heard.damagedBytes === 0) {
    const silences = place.silences + 1;
    return { ...begun, todo: silences >= SILENCES ? rest : [{ ...place, silences }, ...rest] };
  }
  const isHere =
    frame !== undefined &&
    !frame.sealed &&
    frame.type === OPEN_TYPES.HERE &&
    checkBody(false, true, frame.type, frame.body) === 'ok';
  if (!isHere || others.length > 0 || heard.damagedBytes > 0) return { ...begun, ...deeper(state, place, rest) };
  const here = readHere(frame.body);
  if (state.found.some(({ identity }) => same(identity, here.identity)))
    return { ...begun, ...deeper(state, place, rest) };
  return { ...begun, found: [...state.found, here], hushing: { here, tries: 1 } };
}

function hushed(state: Discovery, frames: readonly Frame[]): Discovery {
  const { hushing, ...rest } = state;
  if (hushing === undefined) return state;
  const isDone = frames.some(
    (frame) => !frame.sealed && frame.type === OPEN_TYPES.HUSHED && same(frame.body, hushing.here.identity),
  );
  if (isDone || hushing.tries >= HUSH_TRIES) return rest;
  return { ...rest, hushing: { here: hushing.here, tries: hushing.tries + 1 } };
}

function deeper(state: Discovery, place: Place, rest: readonly Place[]): Pick<Discovery, 'todo' | 'unclear'> {
  const { prefix, bits } = place;
  if (bits === IDENTITY_BITS) return { todo: rest, unclear: [...state.unclear, prefix] };
  const one = Uint8Array.from(prefix);
  one[bits >> 3] = (one[bits >> 3] ?? 0) | (0x80 >> (bits & 7));
  const at = { bits: bits + 1, silences: 0 };
  return { todo: [{ ...at, prefix }, { ...at, prefix: one }, ...rest], unclear: state.unclear };
}
