/**
 * The first and only process of a small virtual machine: speaks to its TPM through the kernel's resource manager,
 * prints what came of it in one line, and ends, which ends the machine.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { silentLogger } from '../../src/base/logger.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { findEndorsement } from '../../src/edge/keys/endorsement.ts';
import { openTpmBox } from '../../src/edge/keys/open-box.ts';
import { localAuthority } from '../../src/edge/keys/policy-authority.ts';
import type { TpmBox } from '../../src/edge/keys/tpm-box.ts';
import { TpmKeyStore } from '../../src/edge/keys/tpm-key-store.ts';
import { TpmClient } from '../../src/edge/tpm/client.ts';
import { Sign } from '../../src/edge/tpm/commands/attest.ts';
import { GetRandom, getHandles } from '../../src/edge/tpm/commands/capability.ts';
import { CreatePrimary } from '../../src/edge/tpm/commands/object.ts';
import { permanent } from '../../src/edge/tpm/entity.ts';
import { openTransport } from '../../src/edge/tpm/open-transport.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../src/platform/tpm-crypto.ts';
import { TPM_ALG, TPM_HT, TPM_RH } from '../../src/tpm2/algorithms.ts';
import { signerTemplate } from '../../src/tpm2/templates.ts';

const DEVICE = '/dev/tpmrm0';
const KEYS = '/keys';
const LIMIT_MS = 60_000;
/** A chip holds three objects: each of these connections holds two, all at once. */
const CONNECTIONS = 6;
const BROKEN_OFF = 12;

const clients: TpmClient[] = [];
const limit = (): AbortSignal => AbortSignal.timeout(LIMIT_MS);

function client(): TpmClient {
  const scheduler = systemScheduler();
  const made = new TpmClient({
    transport: openTransport({ kind: 'device', path: DEVICE }, scheduler),
    crypto: nodeTpmCrypto,
    scheduler,
  });
  clients.push(made);
  return made;
}

function mount(type: string, target: string): void {
  mkdirSync(target, { recursive: true });
  const { status, stderr } = spawnSync('/bin/mount', ['-t', type, type, target], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mount ${target}: ${stderr}`);
}

async function boxOn(): Promise<{ readonly box: TpmBox; readonly store: TpmKeyStore }> {
  const parts = { path: `${KEYS}/tpm.json`, crypto: nodeCrypto, tpmCrypto: nodeTpmCrypto, logger: silentLogger };
  const box = openTpmBox({ ...parts, client: client(), renewed: () => undefined });
  await box.ready(limit());
  const authority = await localAuthority(KEYS, nodeTpmCrypto);
  return { box, store: await TpmKeyStore.open({ directory: KEYS, box, authority, crypto: nodeCrypto }) };
}

/** Signs with the first of two keys when all connections hold theirs: the kernel has put most of them aside. */
async function holdAtOnce(): Promise<number> {
  let holding = 0;
  let release: () => void = () => undefined;
  const all = new Promise<void>((resolve) => {
    release = resolve;
  });
  const template = { x: new Uint8Array(0), y: new Uint8Array(0) };
  const hold = (nth: number): Promise<number> =>
    client().run(async (tpm) => {
      const unique = { ...template, x: Uint8Array.of(nth) };
      const { object } = await CreatePrimary(tpm, permanent(TPM_RH.NULL), signerTemplate(unique));
      await CreatePrimary(tpm, permanent(TPM_RH.NULL), signerTemplate({ ...template, x: Uint8Array.of(nth, nth) }));
      holding += 1;
      if (holding === CONNECTIONS) release();
      await all;
      return (await Sign(tpm, object, new Uint8Array(32).fill(nth))).length;
    });
  const signed = await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => hold(i + 1)));
  return signed.filter((size) => size > 64).length;
}

/** Descriptors that are closed with a key loaded: nothing of it stays, or the next ones would find no place. */
async function breakOff(): Promise<number> {
  let left = 0;
  for (let i = 0; i < BROKEN_OFF; i += 1) {
    const transport = openTransport({ kind: 'device', path: DEVICE }, systemScheduler());
    const broken = new TpmClient({ transport, crypto: nodeTpmCrypto, scheduler: systemScheduler() });
    await broken.run(async (tpm) => {
      const unique = { x: Uint8Array.of(i), y: new Uint8Array(0) };
      await CreatePrimary(tpm, permanent(TPM_RH.NULL), signerTemplate(unique));
      transport.reset();
    });
    left += await client().run(async (tpm) => (await getHandles(tpm, TPM_HT.TRANSIENT)).length);
  }
  return left;
}

async function play(): Promise<object> {
  const random = await client().run((tpm) => GetRandom(tpm, 100));
  const first = await boxOn();
  const before = await first.box.readCounter(limit());
  const values: number[] = [];
  for (let i = 0; i < 5; i += 1) values.push((await first.box.advanceCounter(random.subarray(0, 32), limit())).value);
  const quote = await first.box.quote(random.subarray(0, 32), limit());
  const { origin } = await first.store.create('lockers.example', 'gw-0001', 1);
  const again = await boxOn();
  const signer = await again.store.open(origin);
  const ek = await again.box.run((tpm) => findEndorsement(tpm));
  return {
    random: random.length,
    counted: values.map((value) => value - before),
    quote: quote.attest.length,
    isSameKey: Buffer.from(signer.publicKey).equals(Buffer.from(again.store.sealed(origin).publicKey)),
    ekCertificate: ek.certificate.length,
    ekHash: ek.area.nameAlg === TPM_ALG.SHA256 ? 'sha256' : 'another',
    held: await holdAtOnce(),
    left: await breakOff(),
  };
}

async function main(): Promise<void> {
  mount('devtmpfs', '/dev');
  mount('proc', '/proc');
  mount('sysfs', '/sys');
  mkdirSync(KEYS, { recursive: true, mode: 0o700 });
  if (!existsSync(DEVICE)) throw new Error(`the kernel has no ${DEVICE}`);
  const result = await play();
  process.stdout.write(`\nGUEST ${JSON.stringify({ ok: true, ...result })}\n`);
}

try {
  await main();
} catch (error) {
  process.stdout.write(`\nGUEST ${JSON.stringify({ ok: false, why: String(error) })}\n`);
}
// The kernel panics without its first process, and the machine is started so that this ends it.
setTimeout(() => process.exit(0), 200);
