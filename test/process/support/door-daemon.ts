/**
 * A real daemon with simulated doors that is killed at a moment of its work and started again. Nothing in the product
 * knows of it.
 *
 * A call is named by its file and by its number from the moment at which strace was put to the running daemon: polls,
 * log lines and other threads make no difference to it, so the moment is the same in every run.
 */
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Child } from '../../../simulators/demo/child-process.ts';
import { callControl } from '../../../src/edge/control/client.ts';
import type { GatewayStatus } from '../../../src/edge/gateway/status.ts';
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import type { Command } from '../../../src/evidence/wire/command.ts';
import { startLatchkey } from '../../support/child.ts';
import { DOORS, GATEWAY, type OpeningBench, randomId } from '../../support/opening-bench.ts';
import { until } from '../../support/until.ts';
import { sabotage } from './sabotage.ts';

const START_LIMIT_MS = 60_000;
const LOOK_AGAIN_MS = 10;
/** What is still written once the end of a work was told. */
const TAIL_MS = 1_000;
/** Calls that make something durable, or tell of it. */
const CALLS = ['pwrite64', 'fsync', 'fdatasync', 'write'];
/** Where its log lines go: between an entry that is durable and the frame that it is for stands "unlocking". */
const LINES = 'stderr';
const LINES_FD = 2;

export interface KillCall {
  readonly at: 'call';
  /** Below the data directory, without numbers of logs; or `stderr`. */
  readonly file: string;
  readonly call: string;
  /** From 1. */
  readonly nth: number;
}

/** When the daemon dies. */
export type KillMoment =
  /** At once when the unlock frame is seen on the cable. */
  | { readonly at: 'frame' }
  /** So long after the work began. */
  | { readonly at: 'delay'; readonly ms: number }
  /** Just before that call. */
  | KillCall;

/** Something that opens a door, and how to see that it came to its end. */
export interface Work {
  begin(): Promise<void> | void;
  readonly isOver: () => boolean;
}

export interface Killed {
  /** Channels of the unlock frames that left before. */
  readonly frames: readonly number[];
  /** False when the work was over before its moment came. */
  readonly inTime: boolean;
}

export class DoorDaemon {
  readonly #bench: OpeningBench;
  #child: Child | undefined;

  constructor(bench: OpeningBench) {
    this.#bench = bench;
    writeFileSync(bench.dir.file('gateway.yaml'), stringify(bench.settings()));
  }

  /** Resolves when it takes commands and sees its doors shut. A daemon that runs already is waited for as it is. */
  async ready(): Promise<Child> {
    if (this.#child?.running !== true) {
      // One thread for files: then their calls come in one order.
      const env = { UV_THREADPOOL_SIZE: '1' };
      this.#child = startLatchkey(['run', '--config', this.#bench.dir.file('gateway.yaml')], { env });
    }
    const child = this.#child;
    const endMs = performance.now() + START_LIMIT_MS;
    while (!(await this.#isReady())) {
      if (!child.running || performance.now() > endMs) {
        const { uplink, custody, lines } = (await this.status()) ?? {};
        throw new Error(`not ready: ${JSON.stringify({ uplink, custody, lines })}${child.tail()}`);
      }
      // One that is being opened must be seen open first.
      if ((await this.status())?.opening.doors.opening.length === 0) this.shutDoors();
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
    return child;
  }

  /** A lock that was let open moves some time after its frame. */
  shutDoors(): void {
    for (const name of DOORS) this.#bench.site.shut(name);
  }

  /** Kills it at that moment of this work; a daemon that is not running is started first. */
  async killDuring(moment: KillMoment, work: Work): Promise<Killed> {
    const { tap } = this.#bench;
    const child = await this.ready();
    const fault = moment.at === 'call' ? await this.#trap(child.pid, moment) : undefined;
    const before = tap.channels.length;
    await work.begin();
    if (moment.at === 'frame') await until('the frame leaves', () => tap.channels.length > before);
    // Chance is the point here: there is nothing to wait for.
    else if (moment.at === 'delay') await new Promise((resolve) => setTimeout(resolve, moment.ms));
    else await until('killed at the call, or over', () => !child.running || work.isOver());
    if (moment.at === 'call') await until('killed at the call', () => !child.running, TAIL_MS).catch(() => undefined);
    const inTime = moment.at !== 'call' || !child.running;
    child.signal('SIGKILL');
    await child.exit();
    await fault?.stop();
    await until('all that it wrote has come', () => tap.open === 0);
    return { frames: tap.channels.slice(before), inTime };
  }

  /** The calls of one whole work, in order: where a later one can be killed. */
  async findCalls(work: Work): Promise<readonly KillCall[]> {
    const { pid } = await this.ready();
    const lines = readlinkSync(`/proc/${pid}/fd/${LINES_FD}`);
    const logFile = this.#bench.dir.file('trace');
    const trace = await sabotage(pid, { inject: [], trace: CALLS, logFile });
    await work.begin();
    await until('the work is over', work.isOver);
    await new Promise((resolve) => setTimeout(resolve, TAIL_MS));
    const counts = new Map<string, number>();
    return (await trace.stop()).flatMap(({ name: call, args }) => {
      const path = args[0]?.path ?? '';
      const file = path === lines ? LINES : this.#fileOf(path);
      if (file === undefined) return [];
      const nth = (counts.get(`${file} ${call}`) ?? 0) + 1;
      counts.set(`${file} ${call}`, nth);
      return [{ at: 'call' as const, file, call, nth }];
    });
  }

  /** A command for the running start. */
  async command(verb: string, args: Command['args']): Promise<Command> {
    const status = await this.status();
    const started = (await this.entries()).filter(({ type }) => type === 'gateway.started').at(-1);
    return {
      gateway: GATEWAY,
      log: status?.log.origin ?? '',
      start: String(started?.data['start']),
      id: randomId(),
      until_up_ms: Math.round(status?.up_ms ?? 0) + 600_000,
      verb,
      args,
      by: { kind: 'operator', ref: 'desk-7' },
    };
  }

  async entries(): Promise<readonly CustodyEvent[]> {
    const entries: CustodyEvent[] = [];
    const onItem = (line: unknown): void => void entries.push(JSON.parse(String(line)) as CustodyEvent);
    await callControl({ ...this.#call('tail', { lines: 100_000 }), onItem });
    return entries;
  }

  async status(): Promise<GatewayStatus | undefined> {
    return (await callControl(this.#call('status', {})).catch(() => undefined)) as GatewayStatus | undefined;
  }

  /** Of its present run. */
  linesWith(text: string): number {
    return this.#child?.lines('err').filter((line) => line.includes(text)).length ?? 0;
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#child?.stop(signal).catch(() => undefined);
  }

  #trap(pid: number, { file, call, nth }: KillCall) {
    const open = openPaths(pid);
    const paths =
      file === LINES
        ? [readlinkSync(`/proc/${pid}/fd/${LINES_FD}`)]
        : open.filter((path) => this.#fileOf(path) === file);
    if (paths.length === 0) throw new Error(`${file} is not open: ${open.join()}`);
    const logFile = this.#bench.dir.file('trap');
    return sabotage(pid, { inject: [`${call}:signal=SIGKILL:when=${nth}`], trace: [call], paths, logFile });
  }

  #fileOf(path: string): string | undefined {
    const data = `${this.#bench.dir.file('data')}/`;
    return path.startsWith(data) ? path.slice(data.length).replace(/[0-9]+-[0-9a-f]{4,}/g, '#') : undefined;
  }

  async #isReady(): Promise<boolean> {
    const status = await this.status();
    const doors = status?.custody.compartments.filter(({ door }) => door === 'shut') ?? [];
    const found = status?.lines.every(({ devices }) => devices.every(({ state }) => state === 'found')) === true;
    const { opening } = status?.opening.doors ?? {};
    return status?.uplink.phase === 'live' && found && doors.length >= DOORS.length && opening?.length === 0;
  }

  #call(verb: string, args: Readonly<Record<string, unknown>>) {
    return { verb, args, socketPath: this.#bench.dir.file('data', 'control.sock'), silenceMaxMs: 20_000 };
  }
}

function openPaths(pid: number): readonly string[] {
  const dir = `/proc/${pid}/fd`;
  return readdirSync(dir).flatMap((fd) => {
    try {
      return [readlinkSync(join(dir, fd))];
    } catch (error) {
      // Closed since it was listed.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  });
}
