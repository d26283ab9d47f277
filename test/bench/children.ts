/** The processes of the benchmark, from the build. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Child, runToEnd } from '../../simulators/demo/child-process.ts';
import { callControl } from '../../src/edge/control/client.ts';
import type { GatewayStatus } from '../../src/edge/gateway/status.ts';
import { mainPath, runLatchkey, startLatchkey } from '../support/child.ts';
import { until } from '../support/until.ts';
import type { Bench } from './bench.ts';
import type { Counts, FillAnswer, FloodAnswer, Order, Ready, SteadyAnswer, WireAnswer } from './protocol.ts';
import type { BenchSite } from './site.ts';

/** An answer to `fill` comes after all its events, on a slow disk too. */
const ANSWER_LIMIT_MS = 900_000;

/** A child that answers each line with a line `{"answer": ...}`. */
class Answering {
  readonly child: Child;
  readonly #answers: object[] = [];
  #taken = 0;

  constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = new Child(command, args, {
      env,
      onLine: (line, stream) => {
        if (stream === 'out' && line.startsWith('{"answer":')) {
          this.#answers.push((JSON.parse(line) as { readonly answer: object }).answer);
        }
      },
    });
  }

  async next(limitMs = ANSWER_LIMIT_MS): Promise<object> {
    const index = this.#taken;
    this.#taken += 1;
    const endMs = performance.now() + limitMs;
    for (;;) {
      const answer = this.#answers[index];
      if (answer !== undefined) return answer;
      if (!this.child.running) throw new Error(`a child of the benchmark ended early${this.child.tail()}`);
      if (performance.now() > endMs) throw new Error(`no answer in ${limitMs} ms${this.child.tail()}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function script(name: string): string {
  return join(dirname(mainPath()), '../../test/bench', name);
}

export class Daemon {
  readonly vkey: string;
  readonly #process: Answering;

  private constructor(process: Answering, vkey: string) {
    this.#process = process;
    this.vkey = vkey;
  }

  /** `wrapper` is put before the command: strace, for one. `node` are arguments of Node itself. */
  static async start(
    site: BenchSite,
    options: { readonly wrapper?: readonly string[]; readonly node?: readonly string[] } = {},
  ): Promise<Daemon> {
    const { wrapper = [], node = [] } = options;
    const command = [...wrapper, process.execPath, ...node, script('daemon.js'), site.gatewayConfig];
    const child = new Answering(command[0] ?? '', command.slice(1));
    const { vkey } = (await child.next()) as Ready;
    return new Daemon(child, vkey);
  }

  get pid(): number {
    return this.#process.child.pid;
  }

  live(): Promise<object> {
    return this.#order({ do: 'live' });
  }

  async commits(): Promise<number> {
    return ((await this.#order({ do: 'commits' })) as { readonly commits: number }).commits;
  }

  flood(seconds: number): Promise<FloodAnswer> {
    return this.#order({ do: 'flood', seconds }) as Promise<FloodAnswer>;
  }

  fill(events: number): Promise<FillAnswer> {
    return this.#order({ do: 'fill', events }) as Promise<FillAnswer>;
  }

  steady(perSecond: number, seconds: number): Promise<SteadyAnswer> {
    return this.#order({ do: 'steady', perSecond, seconds }) as Promise<SteadyAnswer>;
  }

  groups(size: number, times: number): Promise<Counts> {
    return this.#order({ do: 'groups', size, times }) as Promise<Counts>;
  }

  async stop(): Promise<void> {
    await this.#order({ do: 'stop' });
    const { code, signal } = await this.#process.child.exit();
    if (code !== 0) throw new Error(`the daemon ended with ${signal ?? code}${this.#process.child.tail()}`);
  }

  #order(order: Order): Promise<object> {
    this.#process.child.write(`${JSON.stringify(order)}\n`);
    return this.#process.next();
  }
}

export class ReceiptGiver {
  readonly #process: Answering;

  private constructor(process: Answering) {
    this.#process = process;
  }

  static async start(brokerUrl: string, site: BenchSite): Promise<ReceiptGiver> {
    const process_ = new Answering(process.execPath, [script('receipt-giver.js'), brokerUrl, site.gateway]);
    await process_.child.line('ready');
    return new ReceiptGiver(process_);
  }

  wire(): Promise<WireAnswer> {
    this.#process.child.write('\n');
    return this.#process.next() as Promise<WireAnswer>;
  }

  async stop(): Promise<void> {
    await this.#process.child.stop('SIGKILL');
  }
}

/** The floor's own figure: messages that the broker acknowledged, each second. */
export async function runFloor(brokerUrl: string, leavesFile: string, seconds: number): Promise<number> {
  const args = [script('floor-publisher.js'), brokerUrl, leavesFile, String(seconds)];
  const { code, out, err } = await runToEnd(process.execPath, args, { limitMs: seconds * 1_000 + 60_000 });
  if (code !== 0) throw new Error(`the floor ended with ${code}: ${err}`);
  return (JSON.parse(out.split('\n').at(-1) ?? '') as { readonly per_s: number }).per_s;
}

/** `latchkey receive` itself. */
export async function startReceiver(bench: Pick<Bench, 'own'>, site: BenchSite): Promise<Child> {
  const child = bench.own(startLatchkey(['receive', '--config', site.receiveConfig]));
  await until(
    'latchkey receive is connected',
    () => {
      if (!child.running) throw new Error(`latchkey receive ended at its start${child.tail()}`);
      const path = join(site.consumerDir, 'status.json');
      return existsSync(path) && (JSON.parse(readFileSync(path, 'utf8')) as { readonly connected: boolean }).connected;
    },
    20_000,
  );
  return child;
}

export async function receiverVkey(site: BenchSite): Promise<string> {
  return (await latchkey(['receive', '--config', site.receiveConfig, '--show-key'])).trim();
}

/** Runs a command that must succeed; its standard output. */
export async function latchkey(args: readonly string[], limitMs = 600_000): Promise<string> {
  const { code, out, err } = await runLatchkey(args, { limitMs });
  if (code === 0) return out;
  throw new Error(`latchkey ${args.join(' ')} ended with ${code}: ${err || out}`);
}

/** What the running gateway says of itself, or undefined while nobody answers. Asked without a process of its own. */
export async function statusOf(site: BenchSite): Promise<GatewayStatus | undefined> {
  const socketPath = join(site.dataDir, 'control.sock');
  const call = { verb: 'status', args: {}, socketPath, silenceMaxMs: 30_000 };
  return (await callControl(call).catch(() => undefined)) as GatewayStatus | undefined;
}
