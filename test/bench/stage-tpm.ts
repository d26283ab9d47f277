/**
 * A simulated TPM: what an anchor takes beside one bare signature, what the client adds to a command beside the same
 * bytes on a raw socket, and what anchoring costs the write path.
 *
 * swtpm computes in the processor; a chip on a slow bus takes 20 to 200 ms for a signature. So these are ratios of this
 * code to that TPM, not latencies of a box.
 */
import { connect } from 'node:net';
import { join } from 'node:path';
import { openSimulatedTpm, type SimulatedTpm } from '../../simulators/tpm/tpm.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { provisionTpm } from '../../src/edge/keys/provision-tpm.ts';
import { TpmBox } from '../../src/edge/keys/tpm-box.ts';
import { LOGIN_HANDLE } from '../../src/edge/keys/tpm-identity.ts';
import { TpmClient } from '../../src/edge/tpm/client.ts';
import { Sign } from '../../src/edge/tpm/commands/attest.ts';
import { ReadClock } from '../../src/edge/tpm/commands/capability.ts';
import { openTransport } from '../../src/edge/tpm/open-transport.ts';
import type { SendOptions, TpmTransport } from '../../src/edge/tpm/transport.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../src/platform/tpm-crypto.ts';
import { startLatchkey } from '../support/child.ts';
import type { AnchoredFigures, Bench, TpmFigures } from './bench.ts';
import { Daemon, ReceiptGiver, statusOf } from './children.ts';
import { percentile } from './figures.ts';
import { makeSite } from './site.ts';

const COMMANDS = 2_000;
const ANCHORS = 300;
const FLOOD_S = 8;
/** Off and on take turns, so that what the machine does meanwhile meets both. */
const ROUNDS = 3;
/** More often than a box ever anchors: a parcel each ten seconds is its most. */
const ANCHOR_GAP_S = 5;
const START_LIMIT_MS = 60_000;

export async function measureTpm(bench: Bench): Promise<TpmFigures> {
  const tpm = await openSimulatedTpm({ dir: join(bench.folder, 'tpm') });
  try {
    const commands = await measureCommands(tpm, join(bench.folder, 'tpm.json'));
    bench.progress(
      `TPM: an anchor ${commands.anchorP50Ms.toFixed(2)} ms beside ${commands.signP50Ms.toFixed(2)} for a signature`,
    );
    const anchored = await compareAnchoring(bench, tpm);
    bench.progress(`with anchors ${anchored.withPerS} events/s, without ${anchored.withoutPerS}`);
    return { ...commands, ...anchored, startupMs: await measureStart(bench, tpm) };
  } finally {
    await tpm.stop();
  }
}

type CommandFigures = Omit<TpmFigures, keyof AnchoredFigures | 'startupMs'>;

/** Remembers the last command, so that the very same bytes can be sent without the client. */
class Recording implements TpmTransport {
  readonly #inner: TpmTransport;
  last: Uint8Array = new Uint8Array(0);

  constructor(inner: TpmTransport) {
    this.#inner = inner;
  }

  get target(): string {
    return this.#inner.target;
  }

  get resourceManaged(): boolean {
    return this.#inner.resourceManaged;
  }

  send(command: Uint8Array, options: SendOptions): Promise<Uint8Array> {
    this.last = command;
    return this.#inner.send(command, options);
  }

  reset(): void {
    this.#inner.reset();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

async function measureCommands(tpm: SimulatedTpm, identityPath: string): Promise<CommandFigures> {
  const scheduler = systemScheduler();
  const transport = new Recording(openTransport(tpm.address, scheduler));
  const client = new TpmClient({ transport, crypto: nodeTpmCrypto, scheduler });
  const signal = AbortSignal.timeout(START_LIMIT_MS);
  const identity = await provisionTpm(client, identityPath, signal);
  const box = new TpmBox(client, identity, nodeCrypto);
  const login = { handle: LOGIN_HANDLE, name: identity.login.name };
  const digest = new Uint8Array(32).fill(7);
  const bare = await client.run((unit) => timed(COMMANDS, () => ReadClock(unit)));
  const command = transport.last;
  const guarded = await box.run((unit) => timed(COMMANDS, () => ReadClock(unit)));
  const sign = await client.run((unit) => timed(ANCHORS, () => Sign(unit, login, digest)));
  const forever = new AbortController().signal;
  const anchor = await timed(ANCHORS, () => box.advanceCounter(digest, forever));
  await client.close();
  const raw = await timedRaw(tpm, command);
  return {
    rawMs: percentile(raw, 50),
    commandMs: percentile(bare, 50),
    protectedMs: percentile(guarded, 50),
    signP50Ms: percentile(sign, 50),
    anchorP50Ms: percentile(anchor, 50),
    anchorP99Ms: percentile(anchor, 99),
  };
}

async function timed(times: number, work: () => Promise<unknown>): Promise<readonly number[]> {
  const took: number[] = [];
  for (let i = 0; i < times; i += 1) {
    const startMs = performance.now();
    await work();
    took.push(performance.now() - startMs);
  }
  return took;
}

function timedRaw(tpm: SimulatedTpm, command: Uint8Array): Promise<readonly number[]> {
  const { address } = tpm;
  const socket = address.kind === 'unix' ? connect({ path: address.path }) : connect(address);
  const took: number[] = [];
  return new Promise((resolve, reject) => {
    let startMs = 0;
    const send = (): void => {
      startMs = performance.now();
      socket.write(command);
    };
    socket.once('connect', send);
    socket.on('error', reject);
    // A response of this size comes in one piece.
    socket.on('data', () => {
      took.push(performance.now() - startMs);
      if (took.length < COMMANDS) return send();
      socket.destroy();
      resolve(took);
    });
  });
}

async function compareAnchoring(bench: Bench, tpm: SimulatedTpm): Promise<AnchoredFigures> {
  const without: number[] = [];
  const withAnchors: number[] = [];
  let anchors = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    without.push((await floodOnce(bench, `plain-${round}`, undefined)).perS);
    const found = await floodOnce(bench, `anchored-${round}`, tpm);
    withAnchors.push(found.perS);
    anchors += found.anchors;
  }
  return { withPerS: Math.max(...withAnchors), withoutPerS: Math.max(...without), anchors };
}

async function floodOnce(bench: Bench, name: string, tpm: SimulatedTpm | undefined) {
  const keys = tpm === undefined ? undefined : keysOn(tpm);
  const site = makeSite({ parent: bench.folder, name, brokerUrl: bench.broker.url, ...(keys && { keys }) });
  const giver = await ReceiptGiver.start(bench.broker.url, site);
  const daemon = await Daemon.start(site);
  await daemon.live();
  const { injected, acknowledgedS, anchors } = await daemon.flood(FLOOD_S);
  await daemon.stop();
  await giver.stop();
  return { perS: Math.round(injected / acknowledgedS), anchors };
}

function keysOn({ address }: SimulatedTpm): object {
  const place = address.kind === 'unix' ? { socket: address.path } : { tcp: `${address.host}:${address.port}` };
  return { tpm: { ...place, anchors: { parcel_gap_s: 1, entries_gap_s: ANCHOR_GAP_S } } };
}

/** From the start of the process to its first answer, with keys that are already made. */
async function measureStart(bench: Bench, tpm: SimulatedTpm): Promise<number> {
  const site = makeSite({
    parent: bench.folder,
    name: 'tpm-start',
    brokerUrl: bench.broker.url,
    keys: keysOn(tpm),
    stopWaitS: 0,
  });
  let startupMs = 0;
  // The first start makes the keys; the second one is the usual.
  for (let start = 0; start < 2; start += 1) {
    const startMs = performance.now();
    const daemon = bench.own(startLatchkey(['run', '--config', site.gatewayConfig]));
    while ((await statusOf(site)) === undefined) {
      if (performance.now() - startMs > START_LIMIT_MS) throw new Error('the gateway does not answer');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    startupMs = performance.now() - startMs;
    await daemon.stop();
  }
  return startupMs;
}
