/** The daemon's life as a process: gateway and control socket from start to signal. */
import { access, constants } from 'node:fs/promises';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { MemoryMetrics } from '../../base/metrics.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { makeDirectory } from '../../platform/durable-file.ts';
import { startControlServer } from '../control/server.ts';
import { type ConsoleThread, startConsole } from './console-thread.ts';
import { controlHandlers, statusOf } from './control-handlers.ts';
import { type GatewayParts, startGateway } from './gateway.ts';
import { type Monitoring, monitorGateway } from './metrics.ts';
import { type GatewaySettings, socketPathOf } from './settings.ts';

export interface RunParts {
  readonly settings: GatewaySettings;
  readonly logger: Logger;
  readonly version: string;
  /** Fires when the process is to stop. */
  readonly signal: AbortSignal;
  readonly makeLines?: GatewayParts['makeLines'];
}

/**
 * Runs until the signal fires and everything has stopped: also while it starts, which is then undone, and is a clean stop
 * like any other. Rejects when the gateway cannot start.
 */
export async function runGateway(parts: RunParts): Promise<void> {
  const { settings, logger, version, signal } = parts;
  const metrics = new MemoryMetrics();
  const scheduler = systemScheduler();
  const { data_dir } = settings.gateway;
  await usableDirectory(data_dir);
  const gateway = await startGateway({ ...parts, scheduler, metrics }).catch((error: unknown) => {
    if (signal.aborted && error === signal.reason) return undefined;
    throw error;
  });
  if (gateway === undefined) return logger.info({}, 'stopped while it was starting');
  let console: ConsoleThread | undefined;
  const asked = { gateway, settings, version, console: () => console?.status() };
  const handlers = controlHandlers(asked);
  let monitoring: Monitoring | undefined;
  try {
    const control = await startControlServer({ socketPath: socketPathOf(settings), handlers, logger });
    const status = () => statusOf(asked);
    monitoring = await monitorGateway({ gateway, settings, version, status, scheduler, logger });
    console = startConsole({ settings, scheduler, logger });
    logger.info({ log: gateway.journal.status().open }, 'the gateway runs');
    await fired(signal);
    logger.info({ wait_s: settings.stop_wait_s }, 'stopping: waiting for the receipt of the last entry');
    const closing = console?.stop();
    const { waiting } = await gateway.stop('signal');
    await closing;
    await monitoring?.stop();
    await control.close();
    if (waiting > 0) logger.warn({ waiting }, 'stopped; entries without a receipt wait in the journal');
    else logger.info({}, 'stopped; everything is receipted');
  } catch (error) {
    await console?.stop();
    await gateway.stop('failure');
    await monitoring?.stop();
    throw error;
  }
}

/** Made when it is not there. Throws JOURNAL_IO when it cannot be, or when this user may not work in it. */
async function usableDirectory(path: string): Promise<void> {
  try {
    await makeDirectory(path);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const message = `expected gateway.data_dir ${path} to be a folder of this user: ${messageOf(error)}`;
    throw new LatchkeyError('JOURNAL_IO', message, { cause: error });
  }
}

function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
