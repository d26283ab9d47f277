/** Settings of the uplink: how much may be on its way, and how long it waits for what. */
import { z } from 'zod';
import type { UplinkLimits } from './machine-types.ts';

const MIB = 1024 * 1024;

export const uplinkSettingsSchema = z.strictObject({
  memory_quiet_ms: z
    .int()
    .min(50)
    .max(60_000)
    .default(10_000)
    .describe('at the first connection: no further retained message of ours for this long means there are no more'),
  memory_lost_wait_ms: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(60_000)
    .describe('when the broker lost our retained messages: wait this long for receipts before publishing'),
  window_batches: z.int().min(1).max(1_000).default(256).describe('batches on their way to the broker at once'),
  window_bytes: z
    .int()
    .min(131_072)
    .max(64 * MIB)
    .default(4 * MIB)
    .describe('bytes of batches held in memory on their way to the broker'),
  ahead_bytes: z
    .int()
    .min(131_072)
    .max(1_024 * MIB)
    .default(32 * MIB)
    .describe('bytes sent and not yet receipted, at most: grows to this while receipts come, falls when they stop'),
  stall_ms: z
    .int()
    .min(50)
    .max(3_600_000)
    .default(30_000)
    .describe('no receipt for this long with entries waiting: go back to the last receipt; doubles each time'),
  stall_max_ms: z.int().min(50).max(86_400_000).default(600_000),
  retry: z
    .strictObject({
      first_ms: z.int().min(1).max(60_000).default(1_000),
      max_ms: z.int().min(1).max(3_600_000).default(60_000),
    })
    .default({ first_ms: 1_000, max_ms: 60_000 })
    .describe('wait after the broker refused a message or delivered it to nobody: doubles from first to max'),
  request_interval_ms: z
    .int()
    .min(10)
    .max(600_000)
    .default(10_000)
    .describe('at most one unsigned request to send again is followed in this time'),
});

export type UplinkSettings = z.infer<typeof uplinkSettingsSchema>;

export function limitsOf(settings: UplinkSettings): UplinkLimits {
  return {
    memoryQuietMs: settings.memory_quiet_ms,
    memoryLostWaitMs: settings.memory_lost_wait_ms,
    windowBatches: settings.window_batches,
    windowBytes: settings.window_bytes,
    aheadBytesMax: settings.ahead_bytes,
    stallMs: settings.stall_ms,
    stallMaxMs: settings.stall_max_ms,
    retryFirstMs: settings.retry.first_ms,
    retryMaxMs: settings.retry.max_ms,
    requestIntervalMs: settings.request_interval_ms,
  };
}
