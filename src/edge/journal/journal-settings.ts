/** Settings of the journal: group commit, bounds, room on the disk, retention. YAML is snake_case. */
import { z } from 'zod';

const MiB = 1_048_576;

export const journalSettingsSchema = z
  .strictObject({
    /** Longest wait of an event for others to share its fsync. */
    group_commit_ms: z.int().min(0).max(1_000).default(20),
    /** Bounds of what waits for the disk; beyond them events are refused and counted. */
    queue_events_max: z.int().min(256).max(1_000_000).default(20_000),
    queue_bytes_max: z
      .int()
      .min(65_536)
      .max(1_024 * MiB)
      .default(16 * MiB),
    /** Longest wait for a note's signature; then the commit goes without one. */
    sign_timeout_ms: z.int().min(10).max(60_000).default(2_000),
    /** First and longest pause before a key, a full disk or a failed file is tried again. */
    retry_first_ms: z.int().min(10).max(60_000).default(500),
    retry_max_ms: z.int().min(100).max(600_000).default(30_000),
    /** The journal's share of the disk, all logs together. */
    size_max_mib: z.int().min(16).max(1_048_576).default(4_096),
    /** Free space on the file system that the journal never uses up. */
    free_min_mib: z.int().min(0).max(1_048_576).default(64),
    /** Pre-allocated file, given up for the last records. */
    reserve_mib: z.int().min(1).max(1_024).default(8),
    /** Fill at which repeating events (alive, noise) stop, and at which new custody stops. */
    low_stop_percent: z.int().min(1).max(100).default(90),
    custody_stop_percent: z.int().min(1).max(100).default(97),
    /** Days for which bodies are kept after their receipt; 0 removes them as soon as they are receipted. */
    keep_days: z.int().min(0).max(36_500).default(90),
  })
  .refine((raw) => raw.low_stop_percent <= raw.custody_stop_percent, {
    path: ['low_stop_percent'],
    message: 'at most custody_stop_percent',
  })
  .refine((raw) => raw.retry_first_ms <= raw.retry_max_ms, {
    path: ['retry_first_ms'],
    message: 'at most retry_max_ms',
  })
  .transform((raw) => ({
    groupCommitMs: raw.group_commit_ms,
    queueEventsMax: raw.queue_events_max,
    queueBytesMax: raw.queue_bytes_max,
    signTimeoutMs: raw.sign_timeout_ms,
    retryFirstMs: raw.retry_first_ms,
    retryMaxMs: raw.retry_max_ms,
    sizeMaxBytes: raw.size_max_mib * MiB,
    freeMinBytes: raw.free_min_mib * MiB,
    reserveBytes: raw.reserve_mib * MiB,
    lowStopPercent: raw.low_stop_percent,
    custodyStopPercent: raw.custody_stop_percent,
    keepDays: raw.keep_days,
  }));

export type JournalSettings = z.output<typeof journalSettingsSchema>;
