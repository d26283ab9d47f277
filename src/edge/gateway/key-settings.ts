/** Where the keys of a gateway live: files of this machine, or a TPM that also anchors the log. */
import { z } from 'zod';
import { PACE_DEFAULTS } from '../keys/anchor-schedule.ts';
import { RATED_INCREMENTS, WEAR_DEFAULTS } from '../keys/wear-budget.ts';
import type { TpmAddress } from '../tpm/open-transport.ts';

const TCP_ADDRESS = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})$/;
const PORT_MAX = 65_535;

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, 'an absolute path');

const anchorSchema = z
  .strictObject({
    parcel_gap_s: z
      .int()
      .min(1)
      .max(3_600)
      .default(PACE_DEFAULTS.parcelGapMs / 1_000)
      .describe('parcel events are anchored at once, and those within this time share an anchor'),
    entries_gap_s: z
      .int()
      .min(1)
      .max(86_400)
      .default(PACE_DEFAULTS.entriesGapMs / 1_000)
      .describe('other entries are anchored after this time'),
    idle_gap_s: z
      .int()
      .min(1)
      .max(604_800)
      .default(PACE_DEFAULTS.idleGapMs / 1_000)
      .describe('a gateway that has nothing to say but that it lives is anchored after this time'),
    increments_per_year: z
      .int()
      .min(1_000)
      .max(RATED_INCREMENTS)
      .default(WEAR_DEFAULTS.perYear)
      .describe(`each anchor wears the TPM, which is rated for some ${RATED_INCREMENTS}: at most so many a year`),
    increments_saved: z
      .int()
      .min(10)
      .max(100_000)
      .default(WEAR_DEFAULTS.bucketMax)
      .describe('what a quiet time saves up; the last half of it is for parcels, starts and stops'),
  })
  .prefault({});

const loginSchema = z
  .strictObject({
    lifetime_s: z.int().min(60).max(86_400).default(3_600).describe('for how long the broker takes one token'),
    audience: z.string().min(1).max(256).optional().describe('claim "aud" of the token, when the broker asks for one'),
  })
  .optional()
  .describe('user name and password for the broker are the gateway id and a token signed in the TPM (ES256)');

const tpmSchema = z
  .strictObject({
    device: absolutePath.optional().describe('/dev/tpmrm0, the kernel resource manager'),
    socket: absolutePath.optional().describe('Unix socket of a simulated TPM'),
    tcp: z
      .string()
      .refine((text) => Number(TCP_ADDRESS.exec(text)?.[2] ?? 0) <= PORT_MAX && TCP_ADDRESS.test(text), 'host:port')
      .optional()
      .describe('simulated TPM on TCP'),
    policy: absolutePath
      .optional()
      .describe('approvals of PCR values by your own authority; without it log keys are bound to this TPM alone'),
    anchors: anchorSchema,
    mqtt_login: loginSchema,
  })
  .refine(({ device, socket, tcp }) => [device, socket, tcp].filter((way) => way !== undefined).length === 1, {
    error: 'exactly one of device, socket and tcp',
  });

export const keySettingsSchema = z
  .union([z.literal('software'), z.strictObject({ tpm: tpmSchema })], { error: '"software" or {tpm: {device: ...}}' })
  .describe('where log keys live: "software" is assurance level A0; a TPM seals them and anchors the log');

export type TpmSettings = z.output<typeof tpmSchema>;

export function tpmAddress({ device, socket, tcp }: TpmSettings): TpmAddress {
  if (device !== undefined) return { kind: 'device', path: device };
  if (socket !== undefined) return { kind: 'unix', path: socket };
  const [, host = '', port = ''] = TCP_ADDRESS.exec(tcp ?? '') ?? [];
  return { kind: 'tcp', host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}
