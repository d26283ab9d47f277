/**
 * Data members of what the log and the gateway say about themselves (FORMAT.md section 2).
 */
import { codeField, hash32Field, nonce16Field, originField, timeField } from './event-fields.ts';
import { array, binary, bool, int, map, object, pattern, text, word } from './field.ts';
import { blindField } from './vocabulary-custody.ts';

const count = int();
/** Wall time may step from 1970 to any year: 13 digits that begin with 1 to 3, as no card number of 13 digits does. */
const STEP_MS_MAX = 3_999_999_999_999;
const clockSource = word('none', 'rtc', 'ntp', 'gps');
const version = pattern('[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}(?:-[a-z][a-z.]{0,15}[0-9]{0,3})?', 32);
const kernelBoot = pattern('[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 36);
const cause = word('rotation', 'key_lost', 'tpm_cleared', 'quarantine', 'breach', 'missing');
/** What a log was found to say of a size, on one side of a contradiction. */
const state = object({}, { size: count, root: hash32Field, counter: int() });
const NOTE_LINE_PATTERN = '\u2014 [!-*,-~]{1,120} [A-Za-z0-9+/]{4,684}={0,2}';
const VKEY_PATTERN = '[!-*,-~]{1,120}\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{42,48}={0,2}';

export const LOG_DATA = {
  'predecessor.found': object({ log: originField }, { size: count, root: hash32Field, cause, by: codeField }),
  'journal.opened': object(
    { version },
    {
      /** The log's own verifier key: read by whoever trusts on first use, and proof of nothing by itself. */
      vkey: pattern(VKEY_PATTERN, 180),
      after: object({ log: originField, cause }, { size: count, root: hash32Field }),
      counter: object({ found: int() }, { expected: int() }),
      /** A breach: what this gateway's disk had, what had left the box, and which message proved it. */
      expected: state,
      found: state,
      by: word('checkpoint', 'receipt', 'enrolment', 'counter', 'disk'),
      carried: object({ count }, { first: count }),
      /** An intent to anchor that could not be finished. */
      intent_dropped: object({ log: originField, size: count, counter: int() }),
      settings: map(32, 64),
      /** Of the running start, when the log was opened after `gateway.started`. */
      start: nonce16Field,
      kernel_boot: kernelBoot,
      blind: blindField,
    },
  ),
  'gateway.started': object(
    { start: nonce16Field, clean: bool() },
    {
      kernel_boot: kernelBoot,
      version,
      node: version,
      blind: blindField,
      tpm_resets: int(),
      tpm_restarts: int(),
      ports: count,
      devices: count,
      compartments: count,
      /** X25519 key for which access codes are sealed (section 11). */
      access_key: binary(32),
      /** How long a door can go unseen while every board answers: of the slowest line, from its settings. */
      unseen_max_ms: count,
    },
  ),
  'gateway.stopped': object({ reason: word('signal', 'command', 'update', 'failure') }, { detail: text(120) }),
  'gateway.alive': object(
    { interval_ms: int() },
    {
      disk_free_kib: count,
      rss_kib: count,
      queued: count,
      receipted_size: count,
      ports_open: count,
      ports_lost: count,
      devices_lost: count,
      /** Scans, doors and the like since the last `gateway.alive`. */
      readings: count,
      blind: blindField,
    },
  ),
  'clock.stepped': object(
    { by_ms: int(-STEP_MS_MAX, STEP_MS_MAX) },
    { from_src: clockSource, to_src: clockSource, before: timeField, after: timeField },
  ),
  'key.enrolled': object({ record: hash32Field }, { kind: word('software', 'tpm') }),
  'key.attested': object(
    { attest: pattern('[A-Za-z0-9_-]{120,683}', 683), signature: binary(64) },
    { statement: hash32Field, kind: word('quote', 'time'), reason: codeField },
  ),
  'key.rotated': object({ vkey: pattern(VKEY_PATTERN, 180) }, { reason: codeField }),
  'anchor.made': object(
    { size: count, root: hash32Field },
    { lines: array({ ...pattern(NOTE_LINE_PATTERN, 700), bytesMax: 706 }, 3), log: originField, counter: int() },
  ),
} as const;
