/** Logs whose checkpoints a TPM on paper anchored, policies that believe them, and the verdict over them. */
import { base64url } from '../../src/base/bytes.ts';
import type { JsonObject } from '../../src/evidence/event/event.ts';
import { encodeLeaf } from '../../src/evidence/event/leaf.ts';
import { formatVkey, type Note } from '../../src/evidence/log/note.ts';
import { portableCrypto } from '../../src/evidence/portable-crypto.ts';
import type { TrustPolicy } from '../../src/evidence/verify/policy.ts';
import type { Verdict } from '../../src/evidence/verify/verdict.ts';
import { type VerifyOptions, verifyBytes } from '../../src/evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { eventOf, fill } from './test-events.ts';
import { TestLog, TestWitness } from './test-log.ts';
import { linesOf, TestTpm } from './test-tpm.ts';
import { policyOf, witnessMember } from './test-trust.ts';

export const store = new TestWitness('store.example/w1');
export const independent = new TestWitness('independent.example/w1');
export const reached = new Set<string>();

/** A log whose notes may carry anchors: what the TPM certified stands on the note of its size and in an entry. */
export class AnchoredLog extends TestLog {
  readonly tpm: TestTpm;
  readonly #notes = new Map<number, Note>();

  constructor(seed: string, tpm = new TestTpm(seed), number = 1) {
    super(seed, 'gw-0001', number);
    this.tpm = tpm;
  }

  override note(size = this.size): Note {
    return this.#notes.get(size) ?? super.note(size);
  }

  /** Anchors the tree as it stands, and says so in the next entry. */
  anchor(more: { readonly entry?: boolean; readonly line?: boolean } = {}): this {
    const { size } = this;
    const note = this.tpm.anchor(super.note(size));
    if (more.line !== false) this.#notes.set(size, note);
    const { root } = this.checkpoint(size);
    const data = { size, root: base64url(root), lines: linesOf(note), counter: this.tpm.counter };
    return more.entry === false ? this : this.add('anchor.made', data);
  }

  put(size: number, note: Note): this {
    this.#notes.set(size, note);
    return this;
  }

  add(type: string, data: JsonObject, more: object = {}): this {
    this.append(encodeLeaf(eventOf(this, this.size, type, data, more)));
    return this;
  }

  opened(after?: JsonObject, found = this.tpm.counter): this {
    return this.add('journal.opened', { version: '0.1.0', counter: { found }, ...(after !== undefined && { after }) });
  }
}

/** Entries 0 to 11; anchors over 5 (entry 5) and 9 (entry 9). */
export function twice(): AnchoredLog {
  const log = new AnchoredLog('twice').opened();
  fill(log, 5).anchor({});
  fill(log, 9).anchor({});
  return fill(log, 12);
}

export function policyFor(log: AnchoredLog, members: object = log.tpm.policy, least = 'A0'): TrustPolicy {
  const witnesses = [witnessMember(store, 'store'), witnessMember(independent, 'independent')];
  return policyOf([], { witnesses, least_level: least, logs: [{ vkey: vkeyText(log), ...members }] });
}

export const vkeyText = (log: TestLog): string => formatVkey(log.vkey);

export function verdict(log: AnchoredLog, bytes: Uint8Array, more: Partial<VerifyOptions> = {}): Verdict {
  const given = verifyBytes(bytes, { cryptos: [nodeCrypto, portableCrypto()], policy: policyFor(log), ...more });
  reached.add(given.reason ?? 'verified');
  return given;
}

export const whole = (log: AnchoredLog, cuts: readonly number[] = [5, 9, 12]): Uint8Array => {
  const parts = cuts.map((end, i) => log.batch(i === 0 ? 0 : (cuts[i - 1] ?? 0), end, { size: log.size }));
  return new Uint8Array(Buffer.concat(parts));
};
