/**
 * The verbs `assign`, `unassign` and `maintain`: what custody is to expect. They need no credential, and open nothing.
 */

import { accept, type Result, refuse } from '../../base/result.ts';
import { timeOf } from '../../base/wall-time.ts';
import type { Actor, ParcelRef } from '../../evidence/event/event.ts';
import {
  type AssignArgs,
  assignField,
  endMaintenanceField,
  type MaintainArgs,
  maintainField,
  unassignField,
} from '../../evidence/wire/access-args.ts';
import type { VerbAnswer, Verbs } from '../contracts/verb.ts';
import type { Errand } from '../contracts/visit.ts';
import { checkBy } from './grants.ts';

interface WantedEnd {
  readonly livesMs: number;
  readonly untilMs: number | undefined;
}

/** What custody offers for it. */
export interface Desk {
  assign(wanted: {
    readonly id: string;
    readonly compartment: string;
    readonly parcel: ParcelRef;
    readonly kind: Errand;
    readonly actorKind: Actor['kind'];
    readonly actorRef: string | undefined;
    readonly end: WantedEnd;
  }): Result<undefined>;
  unassign(id: string): boolean;
  openWindow(wanted: {
    readonly id: string;
    readonly actor: Actor;
    readonly compartments: readonly string[];
    readonly reason: string | undefined;
    readonly ticket: string | undefined;
    readonly end: WantedEnd;
  }): Result<undefined>;
  closeWindow(id: string): boolean;
}

/** `compartments`: those of this gateway of which something can be claimed. */
export function deskVerbs(desk: Desk, compartments: ReadonlySet<string>): Verbs {
  return {
    assign: {
      check: checkBy(assignField, 'assignment, compartment, parcel, kind, actor and lives_s'),
      run: async ({ args }) => assign(desk, args as unknown as AssignArgs, compartments),
    },
    unassign: {
      check: checkBy(unassignField, 'the id of an assignment'),
      run: async ({ args }) => {
        const was = desk.unassign(String(args['assignment']));
        return was ? executed('unassigned') : refused('unknown_assignment');
      },
    },
    maintain: {
      check: (args) =>
        maintainField.fits(args) || endMaintenanceField.fits(args)
          ? accept(args)
          : refuse('args', 'expected window, actor and lives_s, or window and end, as FORMAT.md has them'),
      run: async ({ args }) => {
        const window = args as unknown as MaintainArgs | { readonly window: string; readonly end: 'now' };
        if (!('end' in window)) return maintain(desk, window, compartments);
        return desk.closeWindow(window.window) ? executed('closed') : refused('unknown_window');
      },
    },
  };
}

function assign(desk: Desk, args: AssignArgs, compartments: ReadonlySet<string>): VerbAnswer {
  const { actor, assignment: id, compartment, kind, parcel } = args;
  if (!compartments.has(compartment)) return refused('unknown_compartment');
  const made = desk.assign({
    id,
    compartment,
    parcel,
    kind,
    actorKind: actor.kind,
    actorRef: actor.ref,
    end: endOf(args),
  });
  return { ...(made.ok ? executed('assigned') : refused(made.reason)), compartment };
}

function maintain(desk: Desk, args: MaintainArgs, known: ReadonlySet<string>): VerbAnswer {
  const { actor, compartments = [], reason, ticket, window: id } = args;
  if (compartments.some((name) => !known.has(name))) return refused('unknown_compartment');
  const made = desk.openWindow({ id, actor, compartments, reason, ticket, end: endOf(args) });
  return made.ok ? executed('opened') : refused(made.reason);
}

function endOf({ lives_s: livesS, until }: { readonly lives_s: number; readonly until?: string }): WantedEnd {
  return { livesMs: livesS * 1_000, untilMs: until === undefined ? undefined : timeOf(until) };
}

function executed(result: string): VerbAnswer {
  return { outcome: 'executed', result };
}

function refused(result: string): VerbAnswer {
  return { outcome: 'refused', result };
}
