/** Settings of the store of photos. */
import { z } from 'zod';

const MiB = 1_048_576;
const DAY_MS = 86_400_000;
const UPLOADS_MAX = 8;

/** Where `fetch` may send a photo: what a command names must begin with one of these. */
function isUploadBase(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const isPlain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  return url.protocol === 'https:' && isPlain && url.pathname.endsWith('/');
}

export const photoStoreSchema = z
  .strictObject({
    keep_days: z.int().min(1).max(3_650).default(14).describe('photos older than this are deleted'),
    size_max_mib: z
      .int()
      .min(1)
      .max(1_048_576)
      .default(512)
      .describe('share of the disk; the oldest photos make room, and that is written down'),
    free_min_mib: z
      .int()
      .min(0)
      .max(1_048_576)
      .default(256)
      .describe('free space that photos leave to the journal: keep it above journal.free_min_mib'),
    upload: z
      .array(z.string().max(512).refine(isUploadBase, 'https://HOST[:PORT]/PATH/ that ends in a slash'))
      .max(UPLOADS_MAX)
      .default([])
      .describe('addresses that a signed "fetch" may send a photo to; none are sent when empty'),
    upload_ca_file: z
      .string()
      .max(4_096)
      .regex(/^\/[^\0]*$/, 'an absolute path')
      .optional()
      .describe("PEM of the authorities for those addresses, in place of the system's"),
  })
  .transform((raw) => ({
    keepMs: raw.keep_days * DAY_MS,
    sizeMaxBytes: raw.size_max_mib * MiB,
    freeMinBytes: raw.free_min_mib * MiB,
    upload: raw.upload,
    uploadCaFile: raw.upload_ca_file,
  }));

export type PhotoStoreSettings = z.output<typeof photoStoreSchema>;
