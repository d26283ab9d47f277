/** The verbs of signed commands: all names that a key may be granted, and those that doors do. */
import { unbase64url } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { nameField } from '../../evidence/event/event-fields.ts';
import type { Doors, OpenOutcome } from '../contracts/doors.ts';
import type { VerbAnswer, Verbs } from '../contracts/verb.ts';

/** As in FORMAT.md section 11. Each is done by the room that it concerns. */
export const VERB_NAMES = [
  'open',
  'stop_pick',
  'resume',
  'recount',
  'grant',
  'revoke',
  'assign',
  'unassign',
  'maintain',
  'fetch',
] as const;

/** A recount writes an entry for every door. */
const RECOUNT_EVERY_MS = 10_000;

export function doorVerbs(doors: Doors, upMs: () => number): Verbs {
  let recountedMs = Number.NEGATIVE_INFINITY;
  return {
    open: {
      check: (args) =>
        hasOnly(args, ['compartment']) && nameField.fits(args['compartment'])
          ? accept(args)
          : refuse('args', 'expected the name of a compartment'),
      run: async ({ id, args, actor, untilUpMs }, signal) => {
        const compartment = String(args['compartment']);
        const request = { id, compartment, actor, cause: 'command', method: 'signed_command', untilUpMs } as const;
        return { ...openAnswer(await doors.open(request, signal)), compartment };
      },
    },
    stop_pick: { check: noArgs, run: async ({ actor }) => done('stopped', await doors.stopPick(actor)) },
    resume: { check: noArgs, run: async ({ actor }) => done('resumed', await doors.resume(actor)) },
    recount: {
      check: noArgs,
      run: async ({ actor }) => {
        if (upMs() - recountedMs < RECOUNT_EVERY_MS) return { outcome: 'refused', result: 'rate' };
        recountedMs = upMs();
        const compartments = await doors.recount(actor);
        return { outcome: 'executed', result: 'counted', data: { compartments } };
      },
    },
  };
}

/** 16 bytes out of what a checked command carries. */
export function idBytes(id: string): Uint8Array {
  return unbase64url(id) ?? new Uint8Array(16);
}

function openAnswer(outcome: OpenOutcome): VerbAnswer {
  switch (outcome.kind) {
    case 'opened':
      return { outcome: 'executed', result: 'opened', tookMs: outcome.tookMs };
    case 'unverified':
      return { outcome: 'executed', result: 'unverified', reason: outcome.reason };
    case 'refused':
      return { outcome: 'refused', result: outcome.reason };
  }
}

function done(result: string, _done: unknown): VerbAnswer {
  return { outcome: 'executed', result };
}

function noArgs(args: JsonObject): Result<JsonObject, 'args'> {
  return hasOnly(args, []) ? accept(args) : refuse('args', 'expected no arguments');
}

function hasOnly(args: JsonObject, names: readonly string[]): boolean {
  const found = Object.keys(args);
  return found.length === names.length && names.every((name) => Object.hasOwn(args, name));
}
