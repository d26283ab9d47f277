/**
 * Somebody on the wires between the box and its TPM changes a bit of an answer, from provisioning to an anchor; and
 * somebody with the disk's sealed key asks the TPM for it.
 */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { getHandles } from '../../../src/edge/tpm/commands/capability.ts';
import { Load, Unseal } from '../../../src/edge/tpm/commands/object.ts';
import { ProtectedCall } from '../../../src/edge/tpm/protected-call.ts';
import { TPM_CC, TPM_HT } from '../../../src/tpm2/algorithms.ts';
import { BusBox, flipped, isHandleBit, isProved, type Work } from './bus-works.ts';
import { makeTpm, root } from './support.ts';

const NAMES = new Map(Object.entries(TPM_CC).map(([name, code]) => [code as number, name]));
let bus: BusBox;

beforeAll(async () => {
  bus = new BusBox(await makeTpm(), root.file('bus'));
});
afterAll(() => bus.client.close());

interface Tried {
  bits: number;
  /** Bits that the answer was believed with. */
  readonly believed: Set<number>;
}

test('each bit of each proved answer, from provisioning to an anchor, is noticed at once, but for handles', async () => {
  const tried = new Map<string, Tried>();
  const open = ProtectedCall.prototype.open;
  let command = 0;
  const spy = vi.spyOn(ProtectedCall.prototype, 'open').mockImplementation(function (this: ProtectedCall, response) {
    if (isProved(response)) {
      const name = NAMES.get(command) ?? `0x${command.toString(16)}`;
      const seen = tried.get(name) ?? { bits: 0, believed: new Set<number>() };
      tried.set(name, seen);
      for (let bit = 0; bit < 8 * response.length; bit += 1) {
        seen.bits += 1;
        const outcome = open.call(this, flipped(response, bit));
        if (outcome.ok) seen.believed.add(bit);
      }
    }
    return open.call(this, response);
  });
  bus.transport.meddle = (response, sent) => {
    command = new DataView(sent.buffer, sent.byteOffset).getUint32(6);
    return response;
  };
  try {
    await bus.provision();
    for (const work of [bus.unseal, bus.attest, bus.anchor, bus.login]) expect(await work()).toBe(true);
    await bus.opened.store.certifyCreation(bus.origin);
  } finally {
    spy.mockRestore();
  }
  const withHandle = ['CreatePrimary', 'Load', 'LoadExternal', 'StartAuthSession'];
  const expected = [
    ...['CertifyCreation', 'Create', 'EvictControl', 'GetCapability', 'GetTime', 'NV_Certify', 'NV_DefineSpace'],
    ...['NV_Increment', 'NV_Read', 'NV_ReadPublic', 'PolicyAuthorize', 'PolicyPCR', 'Quote', 'ReadPublic', 'Sign'],
    ...['Unseal', 'VerifySignature', ...withHandle],
  ];
  expect([...tried.keys()].sort()).toEqual(expected.sort());
  for (const [name, { bits, believed }] of tried) {
    expect(bits, name).toBeGreaterThan(8 * 80);
    const outside = [...believed].filter((bit) => !(withHandle.includes(name) && isHandleBit(bit)));
    expect(outside, name).toEqual([]);
  }
});

test.each([
  ['a box is provisioned', () => bus.provisionAgain, [TPM_CC.CreatePrimary]],
  ['a log key is opened', () => bus.unseal, [TPM_CC.Load, TPM_CC.LoadExternal, TPM_CC.StartAuthSession]],
] as const)('a handle changed in any bit while %s is noticed at its first use', async (_, of, commands) => {
  const work: Work = of();
  const answers = await bus.answers(work);
  const outcomes: string[] = [];
  for (const command of commands) {
    // The last one: of two sessions the policy's.
    const nth = answers.findLastIndex((answer) => answer.command === command);
    for (let bit = 80; bit < 112; bit += 1) outcomes.push(await bus.flip(work, nth, bit));
  }
  expect(outcomes).toHaveLength(32 * commands.length);
  expect(outcomes.filter((what) => !/^(?:TPM|KEY)_/.test(what))).toEqual([]);
});

test('the sealed log key opens for no empty password', async () => {
  const { box, store } = bus.opened;
  const sealed = store.sealed(bus.origin);
  const refused = await box
    .run(async (tpm) => Unseal(tpm, await Load(tpm, box.srk, sealed)))
    .catch((error: unknown) => error);
  // userWithAuth is clear: no password opens it, whichever.
  expect(refused).toMatchObject({ code: 'TPM_REFUSED', command: 'Unseal', rc: { name: 'AUTH_UNAVAILABLE' } });
});

test('nothing stays loaded after all that', async () => {
  expect(await bus.unseal()).toBe(true);
  const loaded = await bus.client.run(async (tpm) => [
    ...(await getHandles(tpm, TPM_HT.TRANSIENT)),
    ...(await getHandles(tpm, TPM_HT.HMAC_SESSION)),
    ...(await getHandles(tpm, TPM_HT.POLICY_SESSION)),
  ]);
  expect(loaded).toEqual([]);
});
