/**
 * Arguments of the commands about access (FORMAT.md section 11): what a service writes and a gateway reads.
 *
 * A code is never in clear there: `sealed` is a sealed box for the gateway's access key (`access_key` of
 * `gateway.started`), whose context names gateway and credential, so that one box cannot be moved to another.
 */

import { readTime } from '../../base/wall-time.ts';
import type { Actor, JsonObject, ParcelRef } from '../event/event.ts';
import { actorField, nameField, nonce16Field, parcelField, timeField } from '../event/event-fields.ts';
import { array, int, object, pattern, text, word } from '../event/field.ts';

export interface GrantArgs {
  /** base64url of 16 random bytes. */
  readonly credential: string;
  /** base64url of the sealed box around the code (UTF-8). */
  readonly sealed: string;
  readonly actor: Actor;
  /** Absent: wherever something is assigned to the actor. */
  readonly compartments?: readonly string[];
  /** How often it opens a door; 0: as often as wanted until its end. */
  readonly uses: number;
  /** The longest that it lives by the gateway's own running time. */
  readonly lives_s: number;
  /** Wall times as in events. */
  readonly from?: string;
  readonly until?: string;
}

export interface AssignArgs {
  readonly assignment: string;
  readonly compartment: string;
  readonly parcel: ParcelRef;
  readonly kind: 'deposit' | 'collect' | 'return' | 'remove';
  /** Whoever of that kind comes, unless `ref` says who. */
  readonly actor: { readonly kind: Actor['kind']; readonly ref?: string };
  readonly lives_s: number;
  readonly until?: string;
}

export interface MaintainArgs {
  readonly window: string;
  readonly actor: Actor;
  /** Absent: all. */
  readonly compartments?: readonly string[];
  readonly reason?: string;
  readonly ticket?: string;
  readonly lives_s: number;
  readonly until?: string;
}

export const GRANT_COMPARTMENTS_MAX = 64;
const DAY_S = 86_400;
const SEALED_CHARS_MAX = 512;
const lives = int(1, 400 * DAY_S);
const actorKind = word('courier', 'recipient', 'technician', 'operator', 'service');

export const grantField = object(
  {
    actor: actorField,
    credential: nonce16Field,
    lives_s: lives,
    sealed: pattern('[A-Za-z0-9_-]{66,512}', SEALED_CHARS_MAX),
    uses: int(0, 1_000),
  },
  { compartments: array(nameField, GRANT_COMPARTMENTS_MAX), from: timeField, until: timeField },
);
export const revokeField = object({ credential: nonce16Field });
export const assignField = object(
  {
    actor: object({ kind: actorKind }, { ref: text(64) }),
    assignment: nonce16Field,
    compartment: nameField,
    kind: word('deposit', 'collect', 'return', 'remove'),
    lives_s: lives,
    parcel: parcelField,
  },
  { until: timeField },
);
export const unassignField = object({ assignment: nonce16Field });
/** `end` closes a window that is open; the other form opens one, or changes it. */
export const endMaintenanceField = object({ end: word('now'), window: nonce16Field });
export const maintainField = object(
  { actor: actorField, lives_s: int(1, 7 * DAY_S), window: nonce16Field },
  { compartments: array(nameField), reason: text(120), ticket: text(64), until: timeField },
);

/** JSON Schemas of `args`, by verb, for config/wire.schema.json. */
export const ACCESS_SCHEMAS: JsonObject = {
  args_assign: assignField.schema,
  args_grant: grantField.schema,
  args_maintain: { oneOf: [maintainField.schema, endMaintenanceField.schema] },
  args_revoke: revokeField.schema,
  args_unassign: unassignField.schema,
};

export type SpanRefusal =
  /** It would end before it begins. */
  | 'from_after_until'
  /** `until` is over. */
  | 'already_over';

/**
 * Why nothing could ever come of these times; undefined when something may. `wallMs` is the earliest that it can be now,
 * or undefined where nobody knows: what is not certainly over is not over.
 */
export function spanRefusal(
  { from, until }: Pick<GrantArgs, 'from' | 'until'>,
  wallMs: number | undefined,
): SpanRefusal | undefined {
  const untilMs = until === undefined ? undefined : readTime(until);
  if (untilMs === undefined) return undefined;
  const fromMs = from === undefined ? undefined : readTime(from);
  if (fromMs !== undefined && fromMs >= untilMs) return 'from_after_until';
  return wallMs !== undefined && wallMs >= untilMs ? 'already_over' : undefined;
}

/** What the sealed box of a grant is for. */
export function grantContext(gateway: string, credential: string): string {
  return `latchkey/access/v1\n${gateway}\n${credential}`;
}
