import type { Scheduler } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Port } from '../contracts/port.ts';
import { serialOpener } from './serial-opener.ts';
import type { PortSettings } from './settings.ts';
import { SupervisedPort } from './supervised-port.ts';
import { tcpOpener } from './tcp-opener.ts';

export interface PortParts {
  readonly settings: PortSettings;
  /** Speed of a serial line whose settings name none: what the devices on it usually speak. */
  readonly baudDefault: number;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The port of one entry of `ports:`. Nothing is opened before `start`. */
export function createPort(parts: PortParts): Port {
  const { settings, baudDefault, scheduler, logger, metrics } = parts;
  const { link } = settings;
  const opener = link.kind === 'serial' ? serialOpener(link, baudDefault) : tcpOpener(link);
  return new SupervisedPort({
    name: settings.name,
    opener,
    backoffMaxMs: link.backoff_max_ms,
    scheduler,
    logger,
    metrics,
  });
}
