/**
 * Settings of access: where codes count, what a scanned one looks like, and how often may be guessed.
 */
import { z } from 'zod';
import { NAME_PATTERN } from '../../evidence/event/event-fields.ts';

const name = z.string().regex(new RegExp(`^${NAME_PATTERN}$`), 'the name of a device or a compartment');

const deviceSchema = z.strictObject({
  name: name.describe('a keypad or a scanner'),
  compartments: z
    .array(name)
    .min(1)
    .max(2_048)
    .exactOptional()
    .describe('which compartments are opened from here; all of them when absent'),
});

const scannedSchema = z
  .strictObject({
    prefix: z
      .string()
      .min(1)
      .max(16)
      .regex(/^[!-~]+$/, 'printable characters')
      .describe('what no parcel label begins with; it is taken off before the code is looked at'),
    length_min: z.int().min(4).max(128).default(6),
    length_max: z.int().min(4).max(128).default(64),
  })
  .refine(({ length_min, length_max }) => length_min <= length_max, 'length_min at most length_max');

const lockoutSchema = z
  .strictObject({
    free: z.int().min(1).max(100).default(5).describe('wrong codes at one device that cost nothing'),
    site_free: z.int().min(1).max(1_000).default(30).describe('wrong codes at all devices together that cost nothing'),
    first_s: z.int().min(1).max(3_600).default(10).describe('the first lock; each further wrong code doubles it'),
    max_s: z.int().min(1).max(86_400).default(3_600),
    forgive_s: z.int().min(10).max(86_400).default(600).describe('one wrong code is forgotten in this time'),
  })
  .prefault({});

export const CREDENTIALS_MAX = 20_000;

export const accessSettingsSchema = z
  .strictObject({
    devices: z.array(deviceSchema).min(1).max(64).describe('where codes and credentials count'),
    scanned: z
      .array(scannedSchema)
      .max(16)
      .default([])
      .describe('how a scanned credential begins: such a scan is never taken for a parcel, at any scanner'),
    code_length_min: z
      .int()
      .min(4)
      .max(64)
      .default(6)
      .describe('shorter codes are not granted: each digit more makes guessing ten times harder'),
    session_s: z
      .int()
      .min(10)
      .max(3_600)
      .default(120)
      .describe('for so long a courier may choose doors after his credential was granted'),
    credentials_max: z.int().min(1).max(CREDENTIALS_MAX).default(CREDENTIALS_MAX),
    lockout: lockoutSchema,
  })
  .superRefine(({ code_length_min: codeMin, lockout, scanned }, context) => {
    const say = (path: PropertyKey[], message: string, input: unknown): void =>
      context.addIssue({ code: 'custom', path, message, input });
    if (lockout.first_s > lockout.max_s) say(['lockout', 'first_s'], 'first_s at most max_s', lockout.first_s);
    for (const [index, { prefix, length_max: lengthMax }] of scanned.entries()) {
      // The first that fits decides: what comes after it would never be looked at.
      if (scanned.slice(0, index).some((before) => prefix.startsWith(before.prefix))) {
        say(
          ['scanned', index, 'prefix'],
          'a prefix that begins with none before it (the longer one comes first)',
          prefix,
        );
      }
      if (lengthMax < codeMin) {
        say(
          ['scanned', index, 'length_max'],
          'length_max at least code_length_min: shorter codes are not granted',
          lengthMax,
        );
      }
    }
  })
  .describe('one-time codes and courier credentials that open doors');

export type AccessSettings = z.infer<typeof accessSettingsSchema>;
