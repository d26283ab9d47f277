/**
 * A real daemon is killed while somebody's code opens a door, and started again: how many unlock frames left for that one
 * code, however often it is typed afterwards, and what the journal says. Nothing in the product knows of it.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import type { Child } from '../../../simulators/demo/child-process.ts';
import { callControl } from '../../../src/edge/control/client.ts';
import type { GatewayStatus } from '../../../src/edge/gateway/status.ts';
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import { AccessBench, grantArgs } from '../../support/access-bench.ts';
import { startLatchkey, startLatchkeyTraced } from '../../support/child.ts';
import { DOORS, GATEWAY, randomId } from '../../support/opening-bench.ts';
import { readStrace } from '../../support/strace.ts';
import { until } from '../../support/until.ts';
import type { KillMoment } from './opening-kills.ts';
import { signalTraced } from './rig.ts';

const START_LIMIT_MS = 60_000;
const LOOK_AGAIN_MS = 10;
/** Calls that make a use or an entry durable, or let a frame out. */
const CALLS = ['pwrite64', 'fsync', 'fdatasync', 'write', 'writev'];

/** The last thing that had happened for the code when the daemon was killed. */
export type Reached = 'nothing' | 'used' | 'granted' | 'framed';

interface Code {
  readonly code: string;
  readonly credential: string;
}

export class AccessRig {
  readonly #bench: AccessBench;
  readonly #codes: Code[] = [];
  #child: Child | undefined;
  #trace: string | undefined;

  private constructor(bench: AccessBench) {
    this.#bench = bench;
    writeFileSync(bench.dir.file('gateway.yaml'), stringify(bench.settings()));
  }

  /** With so many codes granted ahead, each for one opening of the same door. */
  static async make(codes: number): Promise<AccessRig> {
    const rig = new AccessRig(await AccessBench.withHands());
    await rig.#start();
    for (let i = 0; i < codes; i += 1) await rig.#grant(`${10_000_000 + i}`);
    await rig.#end('SIGTERM');
    return rig;
  }

  async killAt(moment: KillMoment): Promise<Reached> {
    const { hands, site, tap } = this.#bench;
    const mine = this.#codes.shift();
    if (mine === undefined || hands === undefined) throw new Error('no code is left for this kill');
    const doomed = await this.#start(moment);
    const before = tap.channels.length;
    const frames = (): number => tap.channels.length - before;
    hands.type('pad', mine.code);
    if (moment.at === 'frame') {
      await until('the frame leaves', () => frames() > 0);
      doomed.signal('SIGKILL');
    } else if (moment.at === 'delay') {
      // Chance is the point here: there is nothing to wait for.
      await new Promise((resolve) => setTimeout(resolve, moment.ms));
      doomed.signal('SIGKILL');
    } else {
      await until('killed at the call, or opened', () => !doomed.running || frames() > 0);
      if (doomed.running) signalTraced(doomed, this.#trace ?? '', 'SIGKILL');
    }
    await doomed.exit();
    const killed = frames();
    for (const name of DOORS) site.shut(name);
    await this.#start();
    const entries = await this.#typeAgain(mine);
    await this.#end('SIGKILL');
    for (const name of DOORS) site.shut(name);
    return this.#judge(mine, killed, frames(), entries);
  }

  /** Calls between the keys and the frame of one whole opening: where a later run can be killed. */
  async findCalls(): Promise<readonly Extract<KillMoment, { at: 'call' }>[]> {
    const { hands, site, tap } = this.#bench;
    const mine = this.#codes.shift();
    if (mine === undefined || hands === undefined) throw new Error('no code is left');
    const child = await this.#start({ at: 'call', call: 'none', nth: 0 });
    const before = tap.channels.length;
    const fromS = Date.now() / 1_000;
    hands.type('pad', mine.code);
    await until('the frame leaves', () => tap.channels.length > before);
    const toS = Date.now() / 1_000 + 0.2;
    await until('the opening has ended', () => Date.now() / 1_000 > toS);
    signalTraced(child, this.#trace ?? '', 'SIGTERM');
    await child.exit();
    for (const name of DOORS) site.shut(name);
    const counts = new Map<string, number>();
    return readStrace(this.#trace ?? '').flatMap((call) => {
      const thread = `${call.pid} ${call.name}`;
      const nth = (counts.get(thread) ?? 0) + 1;
      counts.set(thread, nth);
      const path = call.args[0]?.path ?? '';
      const isOurs = path.includes('.db') || /^(socket|TCP)/.test(path);
      const isThen = call.startS >= fromS && call.startS <= toS;
      return isOurs && isThen ? [{ at: 'call' as const, call: call.name, nth }] : [];
    });
  }

  async close(): Promise<void> {
    if (this.#child?.running === true && this.#trace !== undefined) signalTraced(this.#child, this.#trace, 'SIGKILL');
    await this.#child?.stop('SIGKILL').catch(() => undefined);
    await this.#bench.close();
  }

  /** The same code, until it is said to be used. */
  async #typeAgain({ code, credential }: Code): Promise<readonly CustodyEvent[]> {
    const { hands, site } = this.#bench;
    for (let i = 0; i < 4; i += 1) {
      const told = hands?.told('pad').length ?? 0;
      hands?.type('pad', code);
      await until('the keypad is told', () => (hands?.told('pad').length ?? 0) > told);
      const entries = await this.#entries();
      const mine = entries.filter(({ data }) => data['credential'] === credential);
      if (mine.some(({ data, type }) => type === 'access.refused' && data['reason'] === 'used')) return entries;
      // It was granted now: its door opens, and is shut for the next try.
      await this.#untilEnded();
      for (const name of DOORS) site.shut(name);
    }
    throw new Error(`a code is never used up: ${JSON.stringify((await this.#entries()).slice(-20))}`);
  }

  async #untilEnded(): Promise<void> {
    const endMs = performance.now() + START_LIMIT_MS;
    for (;;) {
      const entries = await this.#entries();
      const count = (type: string): number => entries.filter((entry) => entry.type === type).length;
      const status = await this.#status();
      if (count('unlock.intended') === count('unlock.ended') && status?.opening.doors.opening.length === 0) return;
      if (performance.now() > endMs) throw new Error('an opening does not end');
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  #judge({ credential }: Code, killed: number, all: number, entries: readonly CustodyEvent[]): Reached {
    const granted = entries.filter(({ data, type }) => type === 'access.granted' && data['credential'] === credential);
    const cut = entries.filter(
      ({ data, type }) => type === 'exception.reported' && data['detail'] === `credential ${credential}`,
    );
    const faults: string[] = [];
    if (all > 1) faults.push(`${all} frames left for one code`);
    if (granted.length > 1) faults.push('a code of one use was granted twice');
    if (killed > 0 && granted.length !== 1) faults.push('a frame left before the grant was durable');
    if (killed > 0 && cut.length > 1) faults.push('an opening was cut twice');
    if (all === 0 && granted.length === 0 && cut.length === 0) faults.push('a code was used up, and nothing says so');
    if (faults.length > 0) throw new Error(`${faults.join('; ')}: ${JSON.stringify(entries.slice(-30))}`);
    if (killed > 0) return 'framed';
    if (cut.length === 0) return 'nothing';
    return granted.length > 0 ? 'granted' : 'used';
  }

  async #grant(code: string): Promise<void> {
    const status = await this.#status();
    const started = (await this.#entries()).filter(({ type }) => type === 'gateway.started').at(-1);
    const args = grantArgs(code, started?.data['access_key']);
    const { bytes, hash } = this.#bench.ops.sign({
      gateway: GATEWAY,
      log: status?.log.origin ?? '',
      start: String(started?.data['start']),
      id: randomId(),
      until_up_ms: Math.round(status?.up_ms ?? 0) + 600_000,
      verb: 'grant',
      args,
      by: { kind: 'service', ref: 'test' },
    });
    await this.#bench.publish(bytes);
    await until('the code is granted', () => this.#bench.heard(hash) !== undefined);
    this.#codes.push({ code, credential: String(args['credential']) });
  }

  async #entries(): Promise<readonly CustodyEvent[]> {
    const entries: CustodyEvent[] = [];
    const onItem = (line: unknown): void => void entries.push(JSON.parse(String(line)) as CustodyEvent);
    await callControl({ ...this.#call('tail', { lines: 100_000 }), onItem });
    return entries;
  }

  /** Resolves when the daemon takes codes and sees its doors, or was killed before. */
  async #start(moment?: KillMoment): Promise<Child> {
    const args = ['run', '--config', this.#bench.dir.file('gateway.yaml')];
    this.#trace = moment?.at === 'call' ? this.#bench.dir.file('trace') : undefined;
    if (this.#trace !== undefined && moment?.at === 'call') {
      rmSync(this.#trace, { force: true });
      const inject = moment.nth > 0 ? [`${moment.call}:signal=SIGKILL:when=${moment.nth}`] : [];
      const strace = { logFile: this.#trace, trace: CALLS, inject, bytesMax: 16 };
      this.#child = startLatchkeyTraced(args, strace, { env: { UV_THREADPOOL_SIZE: '1' } });
    } else this.#child = startLatchkey(args);
    const child = this.#child;
    const endMs = performance.now() + START_LIMIT_MS;
    while (child.running && !(await this.#isReady())) {
      if (performance.now() > endMs) throw new Error(`the gateway is not ready${child.tail()}`);
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
    return { verb, args, socketPath: this.#bench.dir.file('data', 'control.sock'), silenceMaxMs: 20_000 };
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#child?.stop(signal).catch(() => undefined);
  }
}
