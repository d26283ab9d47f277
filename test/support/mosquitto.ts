/**
 * Debian's mosquitto as a child process: a broker by another hand, at its defaults but for the port.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Child } from '../../simulators/demo/child-process.ts';
import { keptPort } from '../../simulators/kept-port.ts';
import { makeTempDir } from './temp-dir.ts';
import { until } from './until.ts';

export interface Mosquitto {
  readonly url: string;
  readonly port: number;
  /** Ends the process: SIGTERM saves what persistence keeps, SIGKILL does not. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface MosquittoOptions {
  /** More lines of mosquitto.conf. */
  readonly config?: readonly string[];
  /** The whole of mosquitto.conf for a port of 127.0.0.1, instead of the defaults below. */
  readonly whole?: (port: number) => readonly string[];
  /** Keep retained messages and sessions on disk over a restart. */
  readonly persistence?: boolean;
}

const START_TRIES = 5;

export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const dir = makeTempDir('mosquitto');
  mkdirSync(dir.file('data'));
  let child: Child | undefined;
  let port = 0;

  const start = async (): Promise<void> => {
    const config = [
      ...(options.whole?.(port) ?? [`listener ${port} 127.0.0.1`, 'allow_anonymous true']),
      // Started by root it would change to a user who may not write here.
      ...(process.getuid?.() === 0 ? ['user root'] : []),
      ...(options.persistence === true ? ['persistence true', `persistence_location ${dir.file('data')}/`] : []),
      ...(options.config ?? []),
    ];
    writeFileSync(dir.file('mosquitto.conf'), `${config.join('\n')}\n`);
    const started = new Child('mosquitto', ['-c', dir.file('mosquitto.conf')], {
      env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` },
    });
    child = started;
    let open = false;
    await until(`mosquitto listens on ${port}`, () => {
      if (!started.running) throw new Error(`mosquitto ended:${started.tail()}`);
      if (!open) void answers(port).then((yes) => (open ||= yes));
      return open;
    });
  };
  for (let tries = 1; ; tries += 1) {
    port = await keptPort();
    try {
      await start();
      break;
    } catch (error) {
      // Somebody else may have taken the port in between.
      if (tries === START_TRIES) throw error;
    }
  }
  const kill = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    await child?.stop(signal);
  };
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    kill,
    restart: start,
    async stop() {
      await kill();
      dir.remove();
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
