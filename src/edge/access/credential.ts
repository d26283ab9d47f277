/**
 * What a credential allows, and whether it does so now. Pure.
 *
 * Ends are judged by the box's own running time since the grant, always, and by wall time: by the clock itself while it
 * can be trusted, and otherwise by the earliest that it can be, since time never went back behind what was once known
 * (`ClockFloor`). A clock that nobody set makes no code live longer than its running time, and none begin early.
 */
import type { Actor } from '../../evidence/event/event.ts';

export interface Credential {
  /** base64url of 16 bytes. */
  readonly id: string;
  readonly actor: Actor;
  /** Where it may open. Empty: wherever something is assigned to the actor. */
  readonly compartments: readonly string[];
  /** 0: as often as wanted until its end. */
  readonly usesMax: number;
  readonly uses: number;
  /** In running time (`RunClock`). */
  readonly endsAtRunMs: number;
  readonly fromWallMs: number | undefined;
  readonly untilWallMs: number | undefined;
  readonly isRevoked: boolean;
}

export interface AccessMoment {
  readonly runMs: number;
  /** The wall clock where it can be trusted, or else the earliest that it can be; undefined when nobody ever knew. */
  readonly wallMs: number | undefined;
}

export type Refusal =
  | 'unknown_code'
  | 'revoked'
  | 'used'
  | 'expired'
  | 'not_yet'
  /** It opens nothing that is served from here. */
  | 'not_here'
  | 'nothing_assigned';

/** Why it allows nothing now; undefined when it does. */
export function refusalOf(credential: Credential, now: AccessMoment): Refusal | undefined {
  const { endsAtRunMs, fromWallMs, untilWallMs, uses, usesMax } = credential;
  if (credential.isRevoked) return 'revoked';
  if (usesMax > 0 && uses >= usesMax) return 'used';
  if (isExpired({ endsAtRunMs, untilWallMs }, now)) return 'expired';
  // A start that nobody can show to have come has not come.
  if (fromWallMs !== undefined && (now.wallMs === undefined || now.wallMs < fromWallMs)) return 'not_yet';
  return undefined;
}

export function isExpired(
  { endsAtRunMs, untilWallMs }: Pick<Credential, 'endsAtRunMs' | 'untilWallMs'>,
  now: AccessMoment,
): boolean {
  if (now.runMs >= endsAtRunMs) return true;
  return untilWallMs !== undefined && now.wallMs !== undefined && now.wallMs >= untilWallMs;
}

export interface Due {
  readonly compartment: string;
}

/**
 * The compartments that it may open from here: those that it names, or those where something is due for its actor, as
 * far as the device serves them.
 */
export function reachOf(
  { compartments }: Pick<Credential, 'compartments'>,
  due: readonly Due[],
  served: (compartment: string) => boolean,
): readonly string[] {
  const named = compartments.length > 0 ? compartments : due.map(({ compartment }) => compartment);
  return [...new Set(named)].filter(served);
}

/** The one that is meant without being named: the only one, or the only one where something is due. */
export function meantOf(reach: readonly string[], due: readonly Due[]): string | undefined {
  if (reach.length === 1) return reach[0];
  const waiting = reach.filter((each) => due.some(({ compartment }) => compartment === each));
  return waiting.length === 1 ? waiting[0] : undefined;
}

/** The compartment that a number typed at a keypad names: by its whole name, or by its digits where no other has them. */
export function chosenOf(reach: readonly string[], typed: string): string | undefined {
  if (reach.includes(typed)) return typed;
  const digitsOf = (text: string): string => text.replace(/[^0-9]/g, '').replace(/^0+/, '');
  const wanted = digitsOf(typed);
  const fitting = reach.filter((each) => digitsOf(each) === wanted);
  return wanted !== '' && fitting.length === 1 ? fitting[0] : undefined;
}
