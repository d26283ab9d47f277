/**
 * The console's server in a thread of its own, with bounded memory and a low priority: an entry, started by
 * `console-thread.ts`. It shares the daemon's process and nothing else: what it knows it asks through the control socket.
 *
 * Nothing here may use libuv's pool of threads, which is the daemon's: files are read at the start, passwords are hashed here.
 */
import { readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import { explain } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import type { HttpServer } from '../../platform/http/server.ts';
import { readStaticFiles, type StaticFiles } from '../../platform/http/static-files.ts';
import { pinoLogger } from '../../platform/pino-logger.ts';
import type { ConsoleWebSettings, Person } from '../console/settings.ts';
import { serveConsole } from '../console/web/console-web.ts';
import { consoleDaemon } from './console-daemon.ts';
import type { GatewaySettings } from './settings.ts';

export interface ConsoleWorkerData {
  readonly web: ConsoleWebSettings;
  readonly people: readonly Person[];
  readonly socketPath: string;
  readonly gateway: string;
  readonly logLevel: GatewaySettings['log_level'];
  /** Where the built page lies; undefined where there is none. */
  readonly page: string | undefined;
}

/** What it tells its parent, once. */
export type ConsoleWorkerSays =
  | { readonly says: 'serving'; readonly url: string }
  | { readonly says: 'failed'; readonly reason: string };

/** Below everything that hears devices, writes and signs, and above nothing but idle work. */
const NICENESS = 10;
const NICENESS_MAX = 19;

/** Linux counts priorities by thread; where that is not so, nothing is lost. */
function stepBack(logger: Logger): void {
  try {
    // Behind the daemon, whatever its own niceness: that of the process is its main thread's.
    const nice = Math.min(NICENESS_MAX, getPriority(process.pid) + NICENESS);
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), nice);
  } catch (error) {
    logger.warn({ error: explain(error) }, 'the console runs at the priority of the daemon');
  }
}

function filesOf(page: string | undefined, logger: Logger): StaticFiles {
  const files = page === undefined ? new Map() : readStaticFiles(page);
  if (files.size === 0) logger.error({}, 'the page of the console is not built: only its API is served');
  return files;
}

async function serve(data: ConsoleWorkerData, logger: Logger): Promise<HttpServer> {
  stepBack(logger);
  return serveConsole({
    settings: data.web,
    people: data.people,
    files: filesOf(data.page, logger),
    daemon: consoleDaemon(data.socketPath),
    scheduler: systemScheduler(),
    logger,
  });
}

function main(): void {
  assert(parentPort !== null, 'this is the entry of a worker thread');
  const port = parentPort;
  const data = workerData as ConsoleWorkerData;
  const logger = pinoLogger(data.logLevel, 'latchkey').child({ gateway: data.gateway, room: 'console' });
  const tell = (message: ConsoleWorkerSays): void => port.postMessage(message);
  serve(data, logger).then(
    (server) => {
      tell({ says: 'serving', url: server.url });
      // Whatever is said to it means that it is to stop.
      port.once('message', () => void server.close().finally(() => port.close()));
    },
    (error: unknown) => {
      tell({ says: 'failed', reason: explain(error) });
      port.close();
    },
  );
}

main();
