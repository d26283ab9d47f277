/** Whatever somebody on the bus makes of an answer: in a protected unit it is noticed, and it never hangs. */
import { beforeAll, expect, test } from 'vitest';
import { equalBytes } from '../../../src/base/bytes.ts';
import { ERRORS, LatchkeyError } from '../../../src/base/errors.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import type { TpmClient } from '../../../src/edge/tpm/client.ts';
import { GetTime, Quote, Sign } from '../../../src/edge/tpm/commands/attest.ts';
import { GetRandom, getPcrBanks, ReadClock } from '../../../src/edge/tpm/commands/capability.ts';
import {
  NV_DefineSpace,
  NV_Increment,
  NV_ReadPublic,
  type NvIndex,
  nvReadCounter,
} from '../../../src/edge/tpm/commands/nv.ts';
import {
  Create,
  type CreatedObject,
  CreatePrimary,
  Load,
  ReadPublic,
  Unseal,
} from '../../../src/edge/tpm/commands/object.ts';
import { PCR_Read } from '../../../src/edge/tpm/commands/pcr.ts';
import { PolicyPCR } from '../../../src/edge/tpm/commands/policy.ts';
import { type SaltKey, StartAuthSession } from '../../../src/edge/tpm/commands/session.ts';
import { TpmTamperedError } from '../../../src/edge/tpm/errors.ts';
import { openTransport } from '../../../src/edge/tpm/open-transport.ts';
import { Secret } from '../../../src/edge/tpm/secret.ts';
import type { Tpm } from '../../../src/edge/tpm/unit.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { TPM_ALG, TPM_CC, TPM_ST } from '../../../src/tpm2/algorithms.ts';
import { counterNvPublic } from '../../../src/tpm2/nv-public.ts';
import { emptyPolicy, pcrDigest, policyPcr } from '../../../src/tpm2/policy.ts';
import { akTemplate, sealedTemplate, signerTemplate } from '../../../src/tpm2/templates.ts';
import { FUZZ_TIMEOUT_MS, mutate, Random } from '../../support/mutate.ts';
import {
  clientOn,
  ENDORSEMENT,
  expectNothingLoaded,
  fill,
  makeTpm,
  OWNER,
  protectedRun,
  provisionSrk,
} from './support/bench.ts';
import { MeddlingTransport } from './support/meddling-transport.ts';

/** A campaign asks for more: LATCHKEY_TPM_MUTATIONS=100000. */
const MUTATIONS = Number(process.env['LATCHKEY_TPM_MUTATIONS'] ?? 600);
const MUTATIONS_TIMEOUT_MS = Math.max(FUZZ_TIMEOUT_MS, 50 * MUTATIONS);
/** How an answer that was changed at random may be refused. */
const REACHABLE = [
  'response_attributes',
  'response_failure_body',
  'response_fields',
  'response_handle',
  'response_hmac',
  'response_name',
  'response_parameter_size',
  'response_sessions',
  'response_short',
  'response_size',
  'response_tag',
];
const NO_POINT = { x: new Uint8Array(0), y: new Uint8Array(0) };
const PCRS = { hashAlg: TPM_ALG.SHA256, pcrs: [14] } as const;

let transport: MeddlingTransport;
let client: TpmClient;
let salt: SaltKey;
let parent: { readonly handle: number; readonly name: Uint8Array };
let counter: NvIndex;
let signer: CreatedObject;
let decoy: CreatedObject;
let sealed: CreatedObject;

beforeAll(async () => {
  const box = await makeTpm();
  transport = new MeddlingTransport(openTransport(box.address, systemScheduler()));
  client = clientOn(box.address, { transport, times: { retryFirstMs: 1, retryMaxMs: 1, retriesMax: 2 } });
  salt = await provisionSrk(client);
  parent = { handle: salt.handle, name: salt.pinnedName };
  await protectedRun(client, salt, async (tpm) => {
    await NV_DefineSpace(tpm, OWNER, counterNvPublic(0x0180_0002));
    const fresh = await NV_ReadPublic(tpm, 0x0180_0002);
    await NV_Increment(tpm, fresh, fresh);
    counter = await NV_ReadPublic(tpm, 0x0180_0002);
    signer = await Create(tpm, parent, signerTemplate(NO_POINT));
    decoy = await Create(tpm, parent, signerTemplate(NO_POINT));
    const digest = pcrDigest(nodeTpmCrypto, PCRS.hashAlg, await PCR_Read(tpm, PCRS));
    const policy = policyPcr(nodeTpmCrypto, PCRS.hashAlg, emptyPolicy(PCRS.hashAlg), [PCRS], digest);
    sealed = await Create(tpm, parent, sealedTemplate(policy), { data: new Secret(fill(1)) });
  });
});

function codeOf(command: Uint8Array): number {
  return new DataView(command.buffer, command.byteOffset).getUint32(6);
}

/** Whether the answer to this command is vouched for: by its sessions, or by the next command's HMAC. */
function vouched(command: Uint8Array): boolean {
  return command[1] === (TPM_ST.SESSIONS & 255) || codeOf(command) === TPM_CC.StartAuthSession;
}

/**
 * Runs `work` with a bit of each byte of the last of `times` responses to `command` flipped in turn, and gives what came
 * of it. Every bit is flipped in `test/integration/attacks/bus.test.ts`.
 */
async function flipEachByte(
  command: number,
  work: (tpm: Tpm) => Promise<unknown>,
  times = 1,
): Promise<readonly unknown[]> {
  const outcomes: unknown[] = [];
  // One bit further in each byte: 9 bits are the next one of the next byte.
  for (let bit = 0, bits = 1; bit < bits; bit += (bit & 7) === 7 ? 1 : 9) {
    let met = false;
    let left = times;
    transport.meddle = (response, sent) => {
      if (codeOf(sent) !== command || met) return response;
      left -= 1;
      if (left > 0) return response;
      met = true;
      bits = Math.max(bits, 8 * response.length);
      return response.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
    };
    const outcome = await protectedRun(client, salt, work).then(
      () => 'believed',
      (error: unknown) => error,
    );
    if (!met) throw new Error('no such response came by');
    outcomes.push(outcome);
    transport.meddle = (response) => response;
  }
  return outcomes;
}

const PROTECTED: readonly (readonly [string, number, (tpm: Tpm) => Promise<unknown>])[] = [
  ['GetRandom', TPM_CC.GetRandom, (tpm) => GetRandom(tpm, 8)],
  ['ReadClock', TPM_CC.ReadClock, (tpm) => ReadClock(tpm)],
  ['NV_Increment', TPM_CC.NV_Increment, (tpm) => NV_Increment(tpm, counter, counter)],
  ['NV_Read', TPM_CC.NV_Read, (tpm) => nvReadCounter(tpm, counter, counter)],
  ['PCR_Read', TPM_CC.PCR_Read, (tpm) => PCR_Read(tpm, PCRS)],
  ['Unseal', TPM_CC.Unseal, (tpm) => unseal(tpm)],
];

async function unseal(tpm: Tpm): Promise<Secret> {
  const object = await Load(tpm, parent, sealed);
  const policy = await StartAuthSession(tpm, { type: 'policy', salt: 'unsalted' });
  await PolicyPCR(tpm, policy, [PCRS]);
  return Unseal(tpm, { ...object, policy });
}

test.each(PROTECTED)('a flipped bit in any byte of the answer to %s is noticed', async (_name, command, work) => {
  const outcomes = await flipEachByte(command, work);
  expect(outcomes.length).toBeGreaterThan(80);
  expect(outcomes.filter((outcome) => !(outcome instanceof TpmTamperedError))).toEqual([]);
});

test('a flipped bit in any byte of the answers to Load and Sign ends the work before a signature is believed', async () => {
  const work = async (tpm: Tpm): Promise<Uint8Array> => {
    // A decoy beside it: a changed handle may name a key that is really there.
    await Load(tpm, parent, decoy);
    return Sign(tpm, await Load(tpm, parent, signer), fill(1));
  };
  for (const command of [TPM_CC.Load, TPM_CC.Sign]) {
    const outcomes = await flipEachByte(command, work, command === TPM_CC.Load ? 2 : 1);
    expect(outcomes.length).toBeGreaterThan(80);
    expect(outcomes.filter((outcome) => !(outcome instanceof LatchkeyError))).toEqual([]);
    // Only the handle stands outside of the HMAC: its four bytes are noticed by the next command.
    const later = outcomes.filter((outcome) => !(outcome instanceof TpmTamperedError));
    expect(later.length).toBeLessThanOrEqual(command === TPM_CC.Load ? 4 : 0);
  }
});

test('a flipped bit in any byte of the answer to StartAuthSession ends the work at the first command', async () => {
  const outcomes = await flipEachByte(TPM_CC.StartAuthSession, (tpm) => GetRandom(tpm, 8));
  expect(outcomes.length).toBeGreaterThan(40);
  expect(outcomes.filter((outcome) => !(outcome instanceof LatchkeyError))).toEqual([]);
});

const WORKS: readonly ((tpm: Tpm) => Promise<unknown>)[] = [
  (tpm) => GetRandom(tpm, 8),
  (tpm) => ReadClock(tpm),
  (tpm) => NV_ReadPublic(tpm, counter.handle),
  (tpm) => nvReadCounter(tpm, counter, counter),
  (tpm) => ReadPublic(tpm, salt.handle),
  (tpm) => getPcrBanks(tpm),
  (tpm) => PCR_Read(tpm, PCRS),
  async (tpm) => Sign(tpm, await Load(tpm, parent, signer), fill(1)),
  async (tpm) => {
    const { object } = await CreatePrimary(tpm, ENDORSEMENT, akTemplate(NO_POINT));
    await Quote(tpm, object, fill(1), [PCRS]);
    return GetTime(tpm, ENDORSEMENT, object, fill(2));
  },
];

test(
  `${MUTATIONS} changed answers end in a result or a named failure, and none is believed in a protected unit`,
  async () => {
    const random = new Random(20_261_122);
    const seen: Uint8Array[] = [new Uint8Array(10)];
    const reasons = new Map<string, number>();
    // What the TPM answers is random, so a rare reason may take more.
    const isMissing = (): boolean => REACHABLE.some((reason) => !reasons.has(reason));
    for (let i = 0; i < MUTATIONS || (isMissing() && i < 20 * MUTATIONS); i += 1) {
      const secured = random.below(2) === 0;
      const work = WORKS[random.below(WORKS.length)] ?? WORKS[0];
      if (work === undefined) throw new Error('no work');
      let skip = random.below(3);
      let changed = false;
      transport.meddle = (response, command) => {
        if (secured && !vouched(command)) return response;
        if (seen.length < 200) seen.push(response);
        skip -= 1;
        if (skip >= 0 || changed) return response;
        const mutant = mutate(random, response, seen);
        changed = !equalBytes(mutant, response);
        return mutant;
      };
      const outcome = await (secured ? protectedRun(client, salt, work) : client.run(work)).then(
        () => undefined,
        (error: unknown) => error,
      );
      transport.meddle = (response) => response;
      if (outcome === undefined) {
        if (secured && changed) reasons.set('believed', i);
        continue;
      }
      if (!(outcome instanceof LatchkeyError)) throw outcome;
      expect(Object.keys(ERRORS).filter((code) => code.startsWith('TPM_'))).toContain(outcome.code);
      const reason = outcome instanceof TpmTamperedError ? outcome.reason : outcome.code;
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
    expect(reasons.get('believed')).toBeUndefined();
    expect([...reasons.keys()].filter((reason) => reason.startsWith('response_')).sort()).toEqual(REACHABLE);
    await expectNothingLoaded(client);
  },
  MUTATIONS_TIMEOUT_MS,
);
