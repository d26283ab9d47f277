/**
 * A real daemon is killed while it opens a door, at a step of the opening, and started again: how many unlock frames left
 * for the boards, and what the journal says of it. Nothing in the product knows of it.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import type { Child } from '../../../simulators/demo/child-process.ts';
import { callControl } from '../../../src/edge/control/client.ts';
import type { GatewayStatus } from '../../../src/edge/gateway/status.ts';
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import type { Command } from '../../../src/evidence/wire/command.ts';
import { startLatchkey, startLatchkeyTraced } from '../../support/child.ts';
import { DOORS, GATEWAY, OpeningBench, randomId } from '../../support/opening-bench.ts';
import { readStrace } from '../../support/strace.ts';
import { until } from '../../support/until.ts';
import { signalTraced } from './rig.ts';

const START_LIMIT_MS = 60_000;
const LOOK_AGAIN_MS = 10;
/** Calls that make an entry durable. */
const CALLS = ['pwrite64', 'fsync', 'fdatasync'];

/** When the daemon dies. */
export type KillMoment =
  /** At once when the unlock frame is seen on the cable. */
  | { readonly at: 'frame' }
  /** So long after the command was published. */
  | { readonly at: 'delay'; readonly ms: number }
  /** Just before the nth call of that name in its thread. */
  | { readonly at: 'call'; readonly call: string; readonly nth: number };

/** The last thing of the opening that had happened when the daemon was killed, as the next start shows it. */
export type Reached = 'nothing' | 'received' | 'intended' | 'framed' | 'ended' | 'executed';

export class OpeningRig {
  readonly bench: OpeningBench;
  #child: Child | undefined;
  #trace: string | undefined;

  constructor(bench: OpeningBench) {
    this.bench = bench;
    writeFileSync(bench.dir.file('gateway.yaml'), stringify(bench.settings()));
  }

  static async make(): Promise<OpeningRig> {
    return new OpeningRig(await OpeningBench.make());
  }

  /** One kill, the start after it, and everything that must hold. */
  async killAt(moment: KillMoment): Promise<Reached> {
    const { bench } = this;
    const doomed = await this.#start(moment);
    const before = bench.tap.channels.length;
    const frames = (): readonly number[] => bench.tap.channels.slice(before);
    const asked = await this.command('open', { compartment: 'A1' }).catch((error: unknown) => {
      if (doomed.running) throw error;
      return undefined;
    });
    // A run may make more calls before than the one in which they were counted.
    if (asked === undefined) return 'nothing';
    const command = asked;
    const { bytes, hash } = bench.ops.sign(command);
    await bench.publish(bytes);
    if (moment.at === 'frame') {
      await until('the frame leaves', () => frames().length > 0);
      doomed.signal('SIGKILL');
    } else if (moment.at === 'delay') {
      // Chance is the point here: there is nothing to wait for.
      await new Promise((resolve) => setTimeout(resolve, moment.ms));
      doomed.signal('SIGKILL');
    } else {
      await until('killed at the call, or answered', () => !doomed.running || bench.heard(hash) !== undefined);
      if (doomed.running) signalTraced(doomed, this.#trace ?? '', 'SIGKILL');
    }
    await doomed.exit();
    await until('all that it wrote has come', () => bench.tap.open === 0);
    const killed = frames();
    await this.#start();
    // The same bytes come again, as from a broker or a service that does not know.
    for (let i = 0; i < 3; i += 1) await bench.publish(bytes);
    const next = await this.command('open', { compartment: 'A2' });
    const signed = bench.ops.sign(next);
    await bench.publish(signed.bytes);
    await until('another door is opened', () => bench.heard(signed.hash) !== undefined);
    const entries = await this.entries();
    this.#judge(command.id, killed, frames(), bench.heard(signed.hash)?.result, entries);
    return reachedOf(command.id, killed, entries);
  }

  #judge(
    id: string,
    killed: readonly number[],
    all: readonly number[],
    next: string | undefined,
    entries: readonly CustodyEvent[],
  ): void {
    const of = (type: string): readonly CustodyEvent[] =>
      entries.filter((entry) => entry.type === type && entry.data['id'] === id);
    const faults: string[] = [];
    if (killed.length > 1) faults.push(`${killed.length} frames left for one intent`);
    if (all.length !== killed.length + 1 || all.at(-1) !== 2)
      faults.push(`frames ${all.join()} after ${killed.join()}`);
    if (next !== 'opened') faults.push(`the next opening was ${next}`);
    if (killed.length > 0 && of('unlock.intended').length !== 1)
      faults.push('a frame left before its intent was durable');
    if (of('unlock.intended').length !== of('unlock.ended').length) faults.push('an intent has not exactly one end');
    if (of('command.received').length > 1 || of('command.executed').length > 1)
      faults.push('a command was taken twice');
    if (faults.length > 0) throw new Error(`${faults.join('; ')}: ${JSON.stringify(entries.slice(-30))}`);
  }

  /** The calls of one whole opening, between the command and its reply: where a later run can be killed. */
  async findCalls(): Promise<readonly Extract<KillMoment, { at: 'call' }>[]> {
    const { bench } = this;
    // A first start makes a log; those that are killed find one.
    await (await this.#start()).stop();
    const child = await this.#start({ at: 'call', call: 'none', nth: 0 });
    const fromS = Date.now() / 1_000;
    const { bytes, hash } = bench.ops.sign(await this.command('open', { compartment: 'A1' }));
    await bench.publish(bytes);
    await until('the opening is answered', () => bench.heard(hash) !== undefined);
    const toS = Date.now() / 1_000;
    signalTraced(child, this.#trace ?? '', 'SIGTERM');
    await child.exit();
    const counts = new Map<string, number>();
    return readStrace(this.#trace ?? '').flatMap((call) => {
      const thread = `${call.pid} ${call.name}`;
      const nth = (counts.get(thread) ?? 0) + 1;
      counts.set(thread, nth);
      const path = call.args[0]?.path ?? '';
      // How often boards were asked by then is chance: the frame itself is seen on the cable.
      const isOurs = path.includes('.db');
      const isThen = call.startS >= fromS && call.startS <= toS;
      return isOurs && isThen ? [{ at: 'call' as const, call: call.name, nth }] : [];
    });
  }

  async command(verb: string, args: Command['args']): Promise<Command> {
    const status = await this.#status();
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

  async close(): Promise<void> {
    if (this.#child?.running === true && this.#trace !== undefined) signalTraced(this.#child, this.#trace, 'SIGKILL');
    await this.#child?.stop('SIGKILL').catch(() => undefined);
    await this.bench.close();
  }

  /** Resolves when the daemon takes commands and sees its doors, or was killed before. */
  async #start(moment?: KillMoment): Promise<Child> {
    const isTraced = moment?.at === 'call' || this.#trace !== undefined;
    // The start after one kill is the one that the next kill ends.
    if (this.#child?.running === true && !isTraced) return this.#ready(this.#child);
    if (this.#child?.running === true) await this.#child.stop('SIGKILL').catch(() => undefined);
    const args = ['run', '--config', this.bench.dir.file('gateway.yaml')];
    this.#trace = moment?.at === 'call' ? this.bench.dir.file('trace') : undefined;
    if (this.#trace !== undefined && moment?.at === 'call') {
      rmSync(this.#trace, { force: true });
      const inject = moment.nth > 0 ? [`${moment.call}:signal=SIGKILL:when=${moment.nth}`] : [];
      const strace = { logFile: this.#trace, trace: CALLS, inject, bytesMax: 16 };
      this.#child = startLatchkeyTraced(args, strace, { env: { UV_THREADPOOL_SIZE: '1' } });
    } else this.#child = startLatchkey(args);
    return this.#ready(this.#child);
  }

  async #ready(child: Child): Promise<Child> {
    const endMs = performance.now() + START_LIMIT_MS;
    while (child.running && !(await this.#isReady())) {
      if (performance.now() > endMs) {
        const { uplink, custody, lines } = (await this.#status()) ?? {};
        throw new Error(`not ready: ${JSON.stringify({ uplink, custody, lines })}${child.tail()}`);
      }
      // A lock that was let open moves some time after its frame.
      for (const name of DOORS) this.bench.site.shut(name);
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
    return child;
  }

  async #isReady(): Promise<boolean> {
    const status = await this.#status();
    const doors = status?.custody.compartments.filter(({ door }) => door === 'shut') ?? [];
    const found = status?.lines.every(({ devices }) => devices.every(({ state }) => state === 'found')) === true;
    return status?.uplink.phase === 'live' && found && doors.length >= DOORS.length;
  }

  async #status(): Promise<GatewayStatus | undefined> {
    return (await callControl(this.#call('status', {})).catch(() => undefined)) as GatewayStatus | undefined;
  }

  #call(verb: string, args: Readonly<Record<string, unknown>>) {
    return { verb, args, socketPath: this.bench.dir.file('data', 'control.sock'), silenceMaxMs: 20_000 };
  }
}

function reachedOf(id: string, killed: readonly number[], entries: readonly CustodyEvent[]): Reached {
  const mine = entries.filter(({ data }) => data['id'] === id);
  const has = (type: string): boolean => mine.some((entry) => entry.type === type);
  if (has('command.executed')) return 'executed';
  if (mine.some(({ type, data }) => type === 'unlock.ended' && data['reason'] !== 'restarted')) return 'ended';
  if (killed.length > 0) return 'framed';
  if (has('unlock.intended')) return 'intended';
  return has('command.received') ? 'received' : 'nothing';
}
