/**
 * Somebody on the wires between the box and its TPM changes a bit of an answer while a checkpoint is anchored,
 * a log key opened or a start attested; and somebody with the disk's sealed key asks the TPM for it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Interposer, startInterposer } from '../../../simulators/tpm/interposer.ts';
import { packetCode } from '../../../simulators/tpm/packets.ts';
import { equalBytes } from '../../../src/base/bytes.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import type { TpmBox } from '../../../src/edge/keys/tpm-box.ts';
import type { TpmKeyStore } from '../../../src/edge/keys/tpm-key-store.ts';
import type { TpmClient } from '../../../src/edge/tpm/client.ts';
import { getHandles } from '../../../src/edge/tpm/commands/capability.ts';
import { Load, Unseal } from '../../../src/edge/tpm/commands/object.ts';
import { anchorExtraData, anchorLine, verifyAnchorLine } from '../../../src/evidence/anchor/anchor.ts';
import { startStatement, statementDigest, verifyStatement } from '../../../src/evidence/anchor/statement.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { TPM_CC, TPM_HT } from '../../../src/tpm2/algorithms.ts';
import { testBox, testClient } from '../../support/tpm-box.ts';
import { LIMIT_MS, makeTpm, root } from './support.ts';

const ORIGIN = 'lockers.example/gw-0001/1-00000000';
const TEXT = `${ORIGIN}\n7\n${Buffer.alloc(32, 3).toString('base64')}\n`;
const START = startStatement(ORIGIN, 4);

let bus: Interposer;
let client: TpmClient;
let box: TpmBox;
let store: TpmKeyStore;
let origin: string;

const limit = (): AbortSignal => AbortSignal.timeout(LIMIT_MS);

beforeAll(async () => {
  const tpm = await makeTpm();
  bus = await startInterposer({ tpm: tpm.address, socketPath: root.file('bus.sock'), recordBytesMax: 0 });
  client = testClient(bus.address, { ordinaryMs: 5_000 });
  ({ box, store } = await testBox(client, root.file('bus-keys')));
  origin = (await store.create('lockers.example', 'gw-0001', 1)).origin;
});

afterAll(async () => {
  await client.close();
  await bus.close();
});

/** Whether what came out is right to the last bit. */
type Work = () => Promise<boolean>;

const anchor: Work = async () => {
  const certified = await box.advanceCounter(anchorExtraData(nodeCrypto, TEXT), limit());
  const line = anchorLine(nodeCrypto, ORIGIN, box.akSpki, certified);
  const trust = { ak: box.ak, counter: box.identity.counter.name };
  const verified = verifyAnchorLine(nodeCrypto, TEXT, line, trust);
  return verified.ok && verified.value.counter === certified.value;
};

const unseal: Work = async () => {
  // The store keeps a key that it opened: another store begins anew.
  const fresh = (await testBox(client, root.file('bus-keys'))).store;
  return equalBytes((await fresh.open(origin)).publicKey, store.sealed(origin).publicKey);
};

const attest: Work = async () => {
  const digest = statementDigest(nodeCrypto, 'attested', START);
  const about = { purpose: 'attested', statement: START } as const;
  const quote = verifyStatement(nodeCrypto, await box.quote(digest, limit()), box.ak, { kind: 'quote', ...about });
  const time = verifyStatement(nodeCrypto, await box.time(digest, limit()), box.ak, { kind: 'time', ...about });
  return quote.ok && time.ok;
};

interface Outcome {
  readonly command: number;
  readonly at: number;
  /** `right`: nothing that mattered was changed. */
  readonly what: 'right' | 'wrong' | string;
}

/** Answers with nothing in them: what these clear away is cleared away again before the next unit of work. */
const CLEARING: readonly number[] = [TPM_CC.FlushContext, TPM_CC.GetCapability];
/** A changed length makes the client wait for more, until its time is over. */
const LENGTH_BYTES = { from: 2, end: 6 } as const;

/** Runs it, with each answer that counts as `change` gives it back. */
async function run(
  work: Work,
  change: (response: Uint8Array, nth: number, command: number) => Uint8Array,
): Promise<string> {
  let nth = -1;
  bus.meddle({
    response: (response, sent) => {
      const command = packetCode(sent) ?? 0;
      if (CLEARING.includes(command)) return { kind: 'pass' };
      nth += 1;
      return { kind: 'replace', bytes: change(response, nth, command) };
    },
  });
  try {
    return (await work()) ? 'right' : 'wrong';
  } catch (error) {
    if (error instanceof LatchkeyError) return error.code;
    throw error;
  } finally {
    bus.meddle();
  }
}

/** One bit of every `stride`th byte of each answer flipped, one in each run. */
async function flipBytes(work: Work, stride: number): Promise<readonly Outcome[]> {
  const answers: { readonly command: number; readonly sizeBytes: number }[] = [];
  const untouched = await run(work, (response, _, command) => {
    answers.push({ command, sizeBytes: response.length });
    return response;
  });
  expect(untouched).toBe('right');
  const outcomes: Outcome[] = [];
  for (const [nth, { command, sizeBytes }] of answers.entries()) {
    for (let at = nth % stride; at < sizeBytes; at += stride) {
      if (at >= LENGTH_BYTES.from && at < LENGTH_BYTES.end) continue;
      let isMet = false;
      const what = await run(work, (response, index) => {
        if (index !== nth) return response;
        isMet = true;
        return response.map((byte, i) => (i === at ? byte ^ (1 << ((Math.floor(at / stride) + nth) % 8)) : byte));
      });
      expect(isMet).toBe(true);
      outcomes.push({ command, at, what });
    }
  }
  return outcomes;
}

test.each([
  ['a checkpoint is anchored', anchor, 2, [TPM_CC.NV_Increment, TPM_CC.NV_Certify]],
  ['a log key is opened', unseal, 4, [TPM_CC.Unseal]],
  ['a start is attested', attest, 4, [TPM_CC.Quote, TPM_CC.GetTime]],
] as const)('a bit flipped in any answer while %s is noticed', { timeout: 240_000 }, async (_, work, stride, must) => {
  const outcomes = await flipBytes(work, stride);
  expect(outcomes.filter(({ what }) => !what.startsWith('TPM_') && !what.startsWith('KEY_'))).toEqual([]);
  // In a session the answer proves itself: nothing waits for the next command to notice.
  const proved = outcomes.filter(({ command }) => (must as readonly number[]).includes(command));
  expect(proved.length).toBeGreaterThan(10);
  expect(proved.filter(({ what }) => what === 'TPM_REFUSED')).toEqual([]);
});

test('the sealed log key opens for no empty password', async () => {
  const sealed = store.sealed(origin);
  const refused = await box
    .run(async (tpm) => Unseal(tpm, await Load(tpm, box.srk, sealed)))
    .catch((error: unknown) => error);
  // userWithAuth is clear: no password opens it, whichever.
  expect(refused).toMatchObject({ code: 'TPM_REFUSED', command: 'Unseal', rc: { name: 'AUTH_UNAVAILABLE' } });
});

test('nothing stays loaded after all that', async () => {
  expect(await unseal()).toBe(true);
  const loaded = await client.run(async (tpm) => [
    ...(await getHandles(tpm, TPM_HT.TRANSIENT)),
    ...(await getHandles(tpm, TPM_HT.HMAC_SESSION)),
    ...(await getHandles(tpm, TPM_HT.POLICY_SESSION)),
  ]);
  expect(loaded).toEqual([]);
});
