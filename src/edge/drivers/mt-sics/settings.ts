/** Settings of a scale that speaks MT-SICS. */
import { z } from 'zod';
import { deviceName } from '../device-name.ts';

export const MT_SICS = 'mt_sics';
export const MT_SICS_BAUD = 9_600;

export const sicsSettings = z
  .strictObject({
    driver: z.literal(MT_SICS),
    name: deviceName,
    /**
     * How weights are asked for. `si`: one question after the other. `s`: the same, and the scale waits until it is
     * stable. `sir`: asked once, then it sends by itself. `sr`: it sends when the weight changes.
     */
    mode: z.enum(['si', 's', 'sir', 'sr']).default('si'),
    /** Pause between two questions (`si`, `s`). */
    poll_ms: z.int().min(50).max(60_000).default(500),
    /** How long an answer may take. With `s` the scale itself gives up after some seconds. */
    reply_timeout_ms: z.int().min(50).max(60_000).default(1_000),
    /** After a missing answer nothing is asked or believed for so long: longer than any answer may be late. */
    quiet_ms: z.int().min(0).max(60_000).default(3_000),
    /** How long the line may hold back what the scale sends by itself (`sir`, `sr`). */
    latency_ms: z.int().min(0).max(10_000).default(1_000),
    /** With `sr`: the scale is asked again after so long without a change. */
    check_s: z.int().min(5).max(3_600).default(30),
    settle_ms: z.int().min(0).max(5_000).default(50),
  })
  .refine((settings) => settings.mode !== 's' || settings.reply_timeout_ms >= 2_000, {
    path: ['reply_timeout_ms'],
    message: 'at least 2000 with mode s: the scale answers when it is stable',
  });

export type SicsSettings = z.infer<typeof sicsSettings>;
