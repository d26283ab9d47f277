/**
 * Data members of what devices and people give rise to (FORMAT.md section 2). Absent means that there was no such
 * signal; `false` means observed false.
 */
import type { JsonObject } from './event.ts';
import { actorField, codeField, hash32Field, nameField, nonce16Field, parcelField, seenField } from './event-fields.ts';
import { array, bareText, bool, int, map, object, pattern, rawBytes, scannedTogether, text, word } from './field.ts';
import { scanHoldsCardNumber } from './recognise-code.ts';

const DAY_MS = 86_400_000;
const grams = int(-9_999_999, 9_999_999);
const count = int();

/** A span in which nothing, or not everything, could be recorded: signed afterwards, inside other events. */
export const blindField = object(
  { cause: word('stopped', 'crashed', 'disk_full', 'queue_full', 'io_error', 'journal_damaged') },
  {
    from_boot: int(1),
    from_up_ms: int(),
    to_up_ms: int(),
    /** Events that were drafted and not recorded; absent when nobody counted. */
    events: count,
    by_type: array(object({ type: pattern('[a-z]{1,24}\\.[a-z_]{1,24}', 49), count })),
    by_type_more: count,
  },
);

const channel = int(1, 9_999);

/** The device proved itself, and what the event says came from it in this session, at its start `boot`. */
const sensor = object({ session: nonce16Field, boot: int(1, 0xffff_ffff) });
/** What it proved when the session opened: the key's number, and its firmware with the report's nonce and mac. */
const sensorClaim = object(
  { session: nonce16Field, boot: int(1, 0xffff_ffff) },
  {
    key: int(0, 65_535),
    version: text(32),
    model: text(32),
    firmware: hash32Field,
    nonce: nonce16Field,
    mac: nonce16Field,
  },
);

const polarity = word('closed_is_1', 'closed_is_0');
const quarantined = word('glued', 'too_long', 'no_read', 'incomplete');
const AIM_PATTERN = '\\][A-Za-z][0-9A-Za-z]';

const scanned = scannedTogether(
  object(
    { size_bytes: count },
    {
      text: bareText(256),
      raw: rawBytes(256),
      aim: pattern(AIM_PATTERN, 3),
      certainty: word('check_digit', 'pattern'),
      /** Schemes that the code may be of, best first. */
      candidates: array(pattern('[a-z][a-z0-9]{0,11}', 12), 8),
      /** Application identifiers of a GS1 element string, without their values. */
      ais: array(pattern('[0-9]{2,4}', 4)),
      ais_more: count,
      suppressed: count,
      quarantined,
      /** The text was longer than may be kept: what is there is its beginning. */
      cut: bool(),
      sensor,
    },
  ),
  'text',
  scannedTextHoldsCard,
);

const doorSeen = object(
  {},
  {
    opened: seenField,
    closed: seenField,
    /** The start whose `up_ms` they are in, when it is not the event's own. */
    opened_boot: int(1),
    closed_boot: int(1),
    /** The door was open at the first look: its opening was not seen. */
    first_look: bool(),
    /** It opened while its board could not be read, so the board cannot have been told to open it. */
    forced: bool(),
    /**
     * Bounds of how long it stood open, when both changes were seen in one run of the daemon; the lower one only of a
     * door that was not shut in between, nor unseen.
     */
    open_min_ms: int(),
    open_max_ms: int(),
  },
);

/** `up_ms` is in start `boot`, or in the event's own; absent when this log cannot name the start. */
const episodeScan = object({ device: nameField }, { up_ms: int(), parcel: parcelField, boot: int(1), quarantined });

const notSeen = word(
  'opening',
  'closing',
  'scan',
  'item_before',
  'item_after',
  'weight_before',
  'weight_after',
  'access',
  'photo',
  'seal',
);

const contradiction = word(
  'shut_but_empty',
  'item_without_scan',
  'scan_without_item',
  'already_occupied',
  'several_parcels',
  'other_parcel',
  'several_doors',
  'unread_scan',
  'item_gone',
  'still_occupied',
  'item_while_shut',
  'opened_unwatched',
  'opened_without_access',
  'parcel_not_assigned',
  'other_seal',
  'seal_broken',
  'seal_missing',
  'weight_unchanged',
  'weight_gone',
  'weight_added',
);

const errand = word('deposit', 'collect', 'return', 'remove');

/** What was and was not seen between the opening of a door and its closing. */
export const episodeField = object(
  { closed_by: word('door_shut', 'left_open', 'cut', 'person') },
  {
    door: doorSeen,
    scans: array(episodeScan),
    scans_more: count,
    /** The parcels that this episode is about, when they are several; one stands in the envelope. */
    parcels: array(parcelField),
    parcels_more: count,
    /** What lay there before, as far as earlier episodes said. */
    held: array(parcelField),
    held_more: count,
    item_before: bool(),
    item_after: bool(),
    weight_before_g: grams,
    weight_after_g: grams,
    /** By what right it opened; `up_ms` is in start `boot`, or in the event's own, and absent when none can name it. */
    access: object({ method: codeField }, { up_ms: int(), boot: int(1) }),
    /** What whoever was let in was to do. */
    assigned: object({ kind: errand }, { parcels: array(parcelField), parcels_more: count }),
    photo: hash32Field,
    not_seen: array(notSeen),
    contradictions: array(contradiction),
    cut: bool(),
    /** How long the board could not be read while the episode ran. */
    blind_ms: int(),
  },
);

const deviceState = object(
  { reason: codeField },
  {
    /** Who it says that it is: make, model, serial number. */
    identity: text(64),
    kind: word('board', 'scanner', 'scale', 'sensor', 'reader', 'camera'),
    last_answer_up_ms: int(),
    compartments: array(nameField),
    compartments_more: count,
    /** Events of the device that are lost for good. */
    missing: count,
    sensor: sensorClaim,
  },
);

const doorChange = object(
  {},
  { channel, feedback: int(0, 1), polarity, reads: int(1, 99), first_look: bool(), unwatched_ms: int(), sensor },
);

const decision = { method: codeField, attempts: int(0, 9_999) };
/** Of the compartments named, or of all. */
const maintenance = object(
  {},
  { reason: text(120), ticket: text(64), compartments: array(nameField), window: nonce16Field, cause: codeField },
);
const photo = { sha256: hash32Field, size_bytes: count, media_type: word('image/jpeg', 'image/png', 'image/webp') };

export const CUSTODY_DATA = {
  'device.found': deviceState,
  'device.lost': deviceState,
  'device.faulted': deviceState,
  'device.commissioned': object({}, { channel, polarity, reads: array(int(0, 1)), item_sensor: bool() }),
  'line.noisy': object(
    { port: nameField, since_up_ms: int() },
    {
      bytes: count,
      frames: count,
      noise_bytes: count,
      checksum_errors: count,
      timeouts: count,
      echoes: count,
      /** Answers that this gateway did not ask for, and frames that none of its questions explains: a second master. */
      unasked: count,
      foreign: count,
      /** Boards that failed since `since_up_ms`: questions to each, and how they ended. */
      boards: array(
        object({ device: nameField }, { asked: count, answered: count, silent: count, damaged: count, doubles: count }),
      ),
      boards_more: count,
    },
  ),
  'code.scanned': scanned,
  'door.opened': doorChange,
  'door.closed': doorChange,
  'door.forced': object(
    { reason: word('opened_unwatched', 'opened_without_access', 'tamper', 'lock_engaged') },
    { channel, unwatched_ms: int() },
  ),
  'occupancy.changed': object({ occupied: bool() }, { channel, door: word('open', 'shut', 'unknown'), sensor }),
  'weight.measured': object({ weight_g: grams }, { stable: bool(), expected_g: grams, sensor }),
  'tamper.raised': object({ input: codeField }, { detail: text(120), sensor }),
  'tamper.cleared': object({ input: codeField }, { detail: text(120), sensor }),
  'power.lost': object({ source: word('mains', 'battery') }, { battery_pct: int(0, 100), sensor }),
  'power.restored': object({ source: word('mains', 'battery') }, { battery_pct: int(0, 100), down_ms: int(), sensor }),
  'location.fixed': object(
    { geofence: word('inside', 'outside', 'unknown') },
    {
      /** Thousandths of a degree: about 100 m. */
      lat_mdeg: int(-90_000, 90_000),
      lon_mdeg: int(-180_000, 180_000),
      accuracy_m: int(0, 100_000),
      distance_m: int(0, 40_100_000),
      fix_age_ms: int(0, 366 * DAY_MS),
    },
  ),
  /** `kept` is false when the image could not be stored: its hash is all there is. */
  'photo.captured': object(photo, { cause: codeField, kept: bool() }),
  /** A stored image was deleted before its time, to make room. */
  'photo.dropped': object({ sha256: hash32Field, reason: word('budget') }, { age_ms: int() }),
  'access.granted': object(decision, { credential: text(64) }),
  'access.refused': object(decision, { reason: codeField, credential: text(64), locked_ms: int() }),
  /** Before the frame leaves: from here on the opening is said whatever becomes of it. */
  'unlock.intended': object(
    { id: nonce16Field, cause: word('command', 'access', 'console') },
    { channel, method: codeField },
  ),
  /** `opened`: seen shut before and open after the frame. `unverified`: it left, or may have. `not_sent`: it never will. */
  'unlock.ended': object(
    { id: nonce16Field, result: word('opened', 'unverified', 'not_sent') },
    { reason: codeField, reply: codeField, took_ms: int() },
  ),
  'parcel.deposited': episodeField,
  'parcel.collected': episodeField,
  'parcel.returned': episodeField,
  'parcel.removed': episodeField,
  'compartment.disturbed': episodeField,
  'compartment.counted': object(
    { reason: word('first_look', 'command', 'maintenance') },
    { door: word('open', 'shut', 'unknown'), occupied: bool(), held: array(parcelField), held_more: count },
  ),
  'seal.recorded': object(
    { state: word('intact', 'broken', 'missing') },
    /** References, made as those of parcels (scheme `seal`): of its number, and of the one recorded before. */
    { seal: text(64), before: text(64), agrees: bool() },
  ),
  'custody.handed_over': object(
    { from: actorField, to: actorField },
    { method: codeField, parcels: array(parcelField), parcels_more: count },
  ),
  'exception.reported': object(
    { what: codeField },
    { detail: text(200), count, scans: array(episodeScan), scans_more: count, blind: blindField },
  ),
  'maintenance.opened': maintenance,
  'maintenance.closed': maintenance,
  'console.acted': object({ action: codeField }, { target: text(64), result: codeField }),
  'settings.changed': object({ settings: map(32, 64) }, { sha256: hash32Field, cause: codeField }),
  'command.received': object({ id: nonce16Field, verb: codeField }, { key: pattern('[0-9a-f]{8}', 8) }),
  'command.executed': object(
    { id: nonce16Field, verb: codeField },
    { result: codeField, reason: codeField, took_ms: int() },
  ),
  'command.refused': object(
    { reason: codeField },
    { id: nonce16Field, verb: codeField, key: pattern('[0-9a-f]{8}', 8), count },
  ),
} as const;

function scannedTextHoldsCard(data: JsonObject): boolean {
  const { text: scan, aim } = data;
  return typeof scan === 'string' && scanHoldsCardNumber(scan, typeof aim === 'string' ? aim : undefined);
}
