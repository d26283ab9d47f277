/** Data members of the gateway's own events, from what the rooms report. */
import { wallText } from '../../base/clock.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import type { ClockStep } from '../clock/clock-watch.ts';
import { unseenMaxMs } from './lines.ts';
import type { GatewaySettings } from './settings.ts';

export interface AboutParts {
  readonly settings: GatewaySettings;
  readonly version: string;
  /** Of the daemon; absent for a log that a command opens while none runs. */
  readonly start?: string;
  readonly kernelBoot?: string | undefined;
}

/** The gateway's members of `journal.opened`: version, start, and the settings that a reader of the log needs. */
export function openedData({ settings, version, start, kernelBoot }: AboutParts): JsonObject {
  const unseenMs = unseenMaxMs(settings);
  return {
    version,
    ...(start === undefined ? {} : { start }),
    ...(kernelBoot === undefined ? {} : { kernel_boot: kernelBoot }),
    settings: {
      keys: settings.keys === 'software' ? 'software' : 'tpm',
      alive_interval_ms: settings.alive_interval_s * 1_000,
      group_commit_ms: settings.journal.groupCommitMs,
      references: settings.references.kind,
      scan_window_ms: settings.custody.scan_window_s * 1_000,
      door_open_max_ms: settings.custody.door_open_max_s * 1_000,
      settle_ms: settings.custody.settle_ms,
      ...(unseenMs !== undefined && { unseen_max_ms: unseenMs }),
    },
  };
}

export function clockSteppedData(step: ClockStep): JsonObject {
  return {
    by_ms: step.byMs,
    from_src: step.fromSrc,
    to_src: step.toSrc,
    before: wallText(step.beforeWallMs),
    after: wallText(step.afterWallMs),
  };
}
