/**
 * The envelope of an event: the members that every type shares, and the grammars that data members reuse.
 */
import { WALL_TIME_PATTERN } from '../../base/wall-time.ts';
import { holdsCardNumber } from './cards.ts';
import { checkDigitHolds } from './check-digits.ts';
import type { JsonObject } from './event.ts';
import {
  array,
  bareText,
  binary,
  type Field,
  ITEMS_MAX,
  int,
  object,
  pattern,
  scannedTogether,
  text,
  word,
} from './field.ts';

/**
 * Configured names of devices, ports and compartments: at most 64 units, and at most 12 digits among them, so that no
 * card number is a name.
 */
export const NAME_PATTERN = '(?!(?:[^0-9]*[0-9]){13})[A-Za-z0-9][A-Za-z0-9._-]{0,63}';
export const ORIGIN_PATTERN = '[a-z0-9][a-z0-9.-]*/[a-z0-9-]{1,64}/[0-9]{1,9}-[0-9a-f]{8}';
const PATH_PATTERN = '(?!(?:[^0-9]*[0-9]){13})(?:/[a-z0-9_]{1,40}){1,8}';
export const WITHHELD_PATH_MAX = 48;

export const nameField = pattern(NAME_PATTERN, 64);
export const originField = pattern(ORIGIN_PATTERN, 120);
export const timeField = pattern(WALL_TIME_PATTERN, 24);
export const hash32Field = binary(32);
export const nonce16Field = binary(16);
/** A stable word of the program, such as a reason. */
export const codeField = pattern('[a-z][a-z_]{0,39}', 40);

export const seenField = object({ from_ms: int(), to_ms: int() }, { from_boot: int() });

/** A pseudonym, or clear text: then exempt from the scan while the scheme's own check digit holds over it. */
export const parcelField: Field = scannedTogether(
  object({ ref: bareText(128), scheme: pattern('[a-z][a-z0-9]{0,11}', 12) }),
  'ref',
  parcelHoldsCard,
);

export const actorField = object({
  kind: word('courier', 'recipient', 'technician', 'operator', 'service'),
  ref: text(64),
});

/** What a device or a person gave rise to; the same names as in `EventBody`, without `type` and `data`. */
export const BODY_FIELDS: ReadonlyMap<string, Field> = new Map([
  ['device', nameField],
  ['compartment', nameField],
  ['parcel', parcelField],
  ['actor', actorField],
  ['seen', seenField],
]);

const clockField = object({ src: word('none', 'rtc', 'ntp', 'gps') }, { err_ms: int() });
const carriedField = object({ log: originField, n: int(), boot: int(1), up_ms: int(), leaf: hash32Field });

/** What the journal adds. */
export const HEAD_FIELDS: ReadonlyMap<string, Field> = new Map([
  ['v', int(1, 1)],
  ['log', originField],
  ['n', int()],
  ['salt', nonce16Field],
  ['type', pattern('[a-z]{1,24}\\.[a-z_]{1,24}', 49)],
  ['at', timeField],
  ['clock', clockField],
  ['boot', int(1)],
  ['up_ms', int()],
  ['carried', carriedField],
  ['withheld', array(pattern(PATH_PATTERN, WITHHELD_PATH_MAX), ITEMS_MAX)],
]);

export const HEAD_REQUIRED = ['v', 'log', 'n', 'salt', 'type', 'at', 'clock', 'boot', 'up_ms', 'data'] as const;

function parcelHoldsCard(parcel: JsonObject): boolean {
  const { ref, scheme } = parcel;
  if (typeof ref !== 'string' || !holdsCardNumber(ref)) return false;
  return typeof scheme !== 'string' || !checkDigitHolds(scheme, ref);
}
