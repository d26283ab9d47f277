/**
 * Seals: a label on a parcel whose number is recorded when it goes in and compared when it is scanned again.
 *
 * A seal is known by its scan alone. That one is broken or not there any more is said by a person, who scans the label
 * that stands for it (`seals.broken`, `seals.missing`): a seal that nobody scanned was not seen, which proves nothing.
 */
import { z } from 'zod';
import type { ScanReading } from '../contracts/reading.ts';
import type { ReferenceMaker } from './references.ts';

/** A label text, to the letter. */
const literal = z.string().min(4).max(64);
const SEAL_LENGTH_MAX = 64;

export const sealSettingsSchema = z
  .strictObject({
    prefixes: z
      .array(z.string().min(1).max(16))
      .min(1)
      .max(8)
      .describe('a scan that begins so is the number of a seal, and no parcel'),
    broken: z.array(literal).max(8).default([]).describe('labels by which a person says that the seal is broken'),
    missing: z.array(literal).max(8).default([]).describe('labels by which a person says that there is no seal'),
  })
  .describe('seals on parcels are scanned and compared');

export type SealSettings = z.infer<typeof sealSettingsSchema>;

/** What one scan says of a seal. */
export interface SealScan {
  readonly state: 'intact' | 'broken' | 'missing';
  /** Reference of its number: as parcels are named. */
  readonly seal: string | undefined;
}

/** That, beside what was recorded before. */
export interface SealRecord extends SealScan {
  readonly before: string | undefined;
}

export function sealOf(
  { code, quarantined }: Pick<ScanReading, 'code' | 'quarantined'>,
  settings: SealSettings | undefined,
  references: ReferenceMaker,
): SealScan | undefined {
  const { text } = code;
  if (settings === undefined || text === undefined || quarantined !== undefined) return undefined;
  if (settings.broken.includes(text)) return { state: 'broken', seal: undefined };
  if (settings.missing.includes(text)) return { state: 'missing', seal: undefined };
  if (text.length > SEAL_LENGTH_MAX || !settings.prefixes.some((prefix) => text.startsWith(prefix))) return undefined;
  const seal = references.parcel('seal', text)?.ref;
  return seal === undefined ? undefined : { state: 'intact', seal };
}

/** The seal on what lies there from then on. */
export function sealedAfter(before: string | undefined, { state, seal }: SealScan): string | undefined {
  return state === 'intact' ? (seal ?? before) : undefined;
}

/** Whether it is the seal of before; undefined when one of them is not known. */
export function sealAgrees({ seal, before }: SealRecord): boolean | undefined {
  return seal === undefined || before === undefined ? undefined : seal === before;
}

export function sealContradictions(record: SealRecord | undefined): readonly string[] {
  if (record === undefined) return [];
  if (record.state !== 'intact') return [`seal_${record.state}`];
  return sealAgrees(record) === false ? ['other_seal'] : [];
}
