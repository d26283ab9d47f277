/** What a box does over its bus, from provisioning to an anchor, with somebody on the bus who may change each answer. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SimulatedTpm } from '../../../simulators/tpm/tpm.ts';
import { equalBytes } from '../../../src/base/bytes.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import type { TpmClient } from '../../../src/edge/tpm/client.ts';
import { openTransport } from '../../../src/edge/tpm/open-transport.ts';
import { anchorExtraData, anchorLine, verifyAnchorLine } from '../../../src/evidence/anchor/anchor.ts';
import { startStatement, statementDigest, verifyStatement } from '../../../src/evidence/anchor/statement.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { TPM_CC } from '../../../src/tpm2/algorithms.ts';
import { type TestBox, testBox, testClient } from '../../support/tpm-box.ts';
import { MeddlingTransport } from '../tpm/support/meddling-transport.ts';

const ORIGIN = 'lockers.example/gw-0001/1-00000000';
const TEXT = `${ORIGIN}\n7\n${Buffer.alloc(32, 3).toString('base64')}\n`;
const START = startStatement(ORIGIN, 4);
const LIMIT_MS = 60_000;
const HMAC_BYTES = 32;
/** Nonce and HMAC without bytes, and one for the attributes. */
const PASSWORD_BYTES = 5;
const HANDLE_BITS = { from: 80, end: 112 } as const;
/** Answers with nothing in them: what these clear away is cleared away again before the next unit of work. */
const CLEARING: readonly number[] = [TPM_CC.FlushContext, TPM_CC.GetCapability];

/** Whether what came out is right to the last bit. */
export type Work = () => Promise<boolean>;

export const commandOf = (command: Uint8Array): number => new DataView(command.buffer, command.byteOffset).getUint32(6);

/** An answer with the HMAC of a session proves itself; the acknowledgements of passwords may follow it. */
export function isProved(response: Uint8Array): boolean {
  let end = response.length;
  const isZero = (...at: readonly number[]): boolean => at.every((i) => response[end - i] === 0);
  while (end > PASSWORD_BYTES && isZero(1, 2, 4, 5)) end -= PASSWORD_BYTES;
  const at = end - HMAC_BYTES - 2;
  return response[1] === 2 && at > 10 && response[at] === 0 && response[at + 1] === HMAC_BYTES;
}

/** Of an answer with a handle: it stands outside of the HMAC, and the next command's HMAC has the object's Name. */
export const isHandleBit = (bit: number): boolean => bit >= HANDLE_BITS.from && bit < HANDLE_BITS.end;

export function flipped(response: Uint8Array, bit: number): Uint8Array {
  const copy = response.slice();
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

export class BusBox {
  readonly transport: MeddlingTransport;
  readonly client: TpmClient;
  readonly #dir: string;
  #opened: TestBox | undefined;
  #origin = '';

  constructor(tpm: SimulatedTpm, dir: string) {
    this.#dir = dir;
    this.transport = new MeddlingTransport(openTransport(tpm.address, systemScheduler()));
    this.client = testClient(tpm.address, { transport: this.transport });
  }

  get opened(): TestBox {
    if (this.#opened === undefined) throw new Error('the box was not provisioned');
    return this.#opened;
  }

  get origin(): string {
    return this.#origin;
  }

  /** A first start: keys and counter in the TPM, and the key of a log. */
  async provision(): Promise<void> {
    this.#opened = await testBox(this.client, join(this.#dir, 'keys'));
    this.#origin = (await this.opened.store.create('lockers.example', 'gw-0001', 1)).origin;
  }

  /** The same again in a folder that knows nothing: what is there is found. */
  readonly provisionAgain: Work = async () => {
    const dir = join(this.#dir, 'again');
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const { identity } = (await testBox(this.client, dir)).box;
    const own = this.opened.box.identity;
    return equalBytes(identity.srk.name, own.srk.name) && equalBytes(identity.ak.name, own.ak.name);
  };

  readonly unseal: Work = async () => {
    // The store keeps a key that it opened: another store begins anew.
    const { store } = await testBox(this.client, join(this.#dir, 'keys'));
    return equalBytes((await store.open(this.#origin)).publicKey, this.opened.store.sealed(this.#origin).publicKey);
  };

  readonly attest: Work = async () => {
    const { box } = this.opened;
    const digest = statementDigest(nodeCrypto, 'attested', START);
    const about = { purpose: 'attested', statement: START } as const;
    const quote = verifyStatement(nodeCrypto, await box.quote(digest, limit()), box.ak, { kind: 'quote', ...about });
    const time = verifyStatement(nodeCrypto, await box.time(digest, limit()), box.ak, { kind: 'time', ...about });
    return quote.ok && time.ok;
  };

  readonly anchor: Work = async () => {
    const { box } = this.opened;
    const before = await box.readCounter(limit());
    const certified = await box.advanceCounter(anchorExtraData(nodeCrypto, TEXT), limit());
    const line = anchorLine(nodeCrypto, ORIGIN, box.akSpki, certified);
    const verified = verifyAnchorLine(nodeCrypto, TEXT, line, { ak: box.ak, counter: box.identity.counter.name });
    return verified.ok && verified.value.counter === before + 1;
  };

  readonly login: Work = async () => {
    const { box } = this.opened;
    const bytes = Buffer.from('header.payload');
    return nodeCrypto.verifyEcdsaP256(box.loginSpki, bytes, await box.signLogin(bytes, limit()));
  };

  /** Its answers, in their order, as they come when nobody changes them. */
  async answers(work: Work): Promise<readonly { readonly command: number; readonly response: Uint8Array }[]> {
    const answers: { command: number; response: Uint8Array }[] = [];
    const what = await this.run(work, (response, _, command) => {
      answers.push({ command, response });
      return response;
    });
    if (what !== 'right') throw new Error(`undisturbed it ended with ${what}`);
    return answers;
  }

  /** `right`, `wrong`, or the code of the failure, with each answer that counts as `change` gives it back. */
  async run(work: Work, change: (response: Uint8Array, nth: number, command: number) => Uint8Array): Promise<string> {
    let nth = -1;
    this.transport.meddle = (response, sent) => {
      const command = commandOf(sent);
      if (CLEARING.includes(command)) return response;
      nth += 1;
      return change(response, nth, command);
    };
    try {
      return (await work()) ? 'right' : 'wrong';
    } catch (error) {
      if (error instanceof LatchkeyError) return error.code;
      throw error;
    } finally {
      this.transport.meddle = (response) => response;
    }
  }

  /** With one bit of one answer flipped. */
  async flip(work: Work, nth: number, bit: number): Promise<string> {
    let isMet = false;
    const what = await this.run(work, (response, index) => {
      if (index !== nth) return response;
      isMet = true;
      return flipped(response, bit);
    });
    if (!isMet) throw new Error(`answer ${nth} did not come by`);
    return what;
  }
}

function limit(): AbortSignal {
  return AbortSignal.timeout(LIMIT_MS);
}
