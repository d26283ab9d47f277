/**
 * The verdict over any file: finds out whether it is a batch, an export or a bundle, and believes only the given trust.
 *
 * A bundle is one line without a newline; batches and exports are lines. So the first newline decides, and without one
 * the first 128 KiB do.
 */
import { concatBytes, unbase64 } from '../../base/bytes.ts';
import { messageOf } from '../../base/errors.ts';
import { BATCH_BYTES_MAX } from '../batch/batch.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import type { Envelope } from '../wire/envelope.ts';
import { AgreeingCrypto } from './agreeing-crypto.ts';
import type { AnchorsTogether } from './anchors-together.ts';
import { BUNDLE_BYTES_MAX } from './bundle.ts';
import type { DecideAgain } from './bundle-decisions.ts';
import type { OtherCheckpoint } from './checkpoints.ts';
import { isRecord } from './enrolled.ts';
import type { TrustPolicy } from './policy.ts';
import { believedLogs, type ClosedLog } from './trust.ts';
import { failed, type Verdict } from './verdict.ts';
import { verifyBundle } from './verify-bundle.ts';
import { ExportVerifier, type VerifyContext } from './verify-export.ts';

export interface VerifyOptions {
  /** Every one is asked about every signature; a disagreement ends the verdict. SHA-256 comes from the first. */
  readonly cryptos: readonly EvidenceCrypto[];
  /** Undefined: nothing is believed, so nothing can be told. */
  readonly policy: TrustPolicy | undefined;
  /** The policy is one key (`--vkey`): whatever is not to the last byte of that log is refuted. */
  readonly single?: boolean;
  /** Cosigned notes from beside the file. */
  readonly receipts?: readonly Uint8Array[];
  /** Logs that entry 0 of another verified file names as ended (`predecessor` of its verdict). */
  readonly closed?: readonly ClosedLog[];
  /** Enrolment records, their summaries and successor statements from beside the file; each verified before it counts. */
  readonly enrolments?: readonly Envelope[];
  /** `anchors.unjoined` of the verdict over an earlier reading of the same export: then those anchors are joined, too. */
  readonly sizes?: readonly number[];
  /** What other files have of the same logs (`othersOf` of their verdicts): another root is `file_fork`. */
  readonly others?: readonly OtherCheckpoint[];
  /** Takes what this file shows of anchors; its `findings` are then those of all files that were given it. */
  readonly together?: AnchorsTogether;
  /** What all files showed of anchors when each was read alone: what one of them tells of a TPM counts for the others. */
  readonly around?: AnchorsTogether;
  /** Decides again what a bundle says was decided; what comes of it is told, and changes no verdict. */
  readonly decideAgain?: DecideAgain;
}

/** Takes the bytes of a file as they come. Bounded: one batch, or one bundle of at most 8 MiB. */
export class FileVerifier {
  readonly #crypto: AgreeingCrypto;
  readonly #context: VerifyContext | undefined;
  #head: Uint8Array[] = [];
  #headBytes = 0;
  #export: ExportVerifier | undefined;
  #isBundle = false;
  #failure: Verdict | undefined;

  constructor(options: VerifyOptions) {
    this.#crypto = new AgreeingCrypto(options.cryptos);
    const { policy } = options;
    if (policy === undefined) {
      this.#failure = failed({ reason: 'no_trust', detail: 'give a trust policy or a verifier key' });
      return;
    }
    const enrolments = options.enrolments ?? [];
    const { logs, badRecords } = believedLogs(this.#crypto, policy, {
      closed: options.closed ?? [],
      records: enrolments.filter(isRecord),
      statements: enrolments.filter((each) => !isRecord(each)),
    });
    const only = options.single === true ? [...logs.values()][0] : undefined;
    this.#context = {
      crypto: this.#crypto,
      policy,
      logs,
      receipts: options.receipts ?? [],
      enrolments,
      badRecords,
      sizes: options.sizes ?? [],
      others: options.others ?? [],
      ...(options.together !== undefined && { together: options.together }),
      ...(options.around !== undefined && { around: options.around }),
      ...(options.decideAgain !== undefined && { decideAgain: options.decideAgain }),
      ...(only !== undefined && { single: only }),
    };
  }

  /** False when the verdict is certain and no more bytes are needed. The chunk must not be written to afterwards. */
  push(chunk: Uint8Array): boolean {
    if (this.#failure !== undefined || this.#context === undefined) return false;
    if (this.#export !== undefined) return this.#export.push(chunk);
    const hasNewline = !this.#isBundle && chunk.includes(0x0a);
    this.#head.push(chunk);
    this.#headBytes += chunk.length;
    if (hasNewline) {
      this.#export = new ExportVerifier(this.#context);
      const head = concatBytes(...this.#head);
      this.#head = [];
      return this.#export.push(head);
    }
    this.#isBundle = this.#headBytes > BATCH_BYTES_MAX;
    if (this.#headBytes <= BUNDLE_BYTES_MAX) return true;
    const reason = this.#context.single === undefined ? 'unattributed' : 'too_long';
    this.#failure = failed({ reason, detail: `no newline, and more than ${BUNDLE_BYTES_MAX} bytes` }, [], 'bundle');
    return false;
  }

  end(): Verdict {
    const verdict = this.#verdict();
    if (!this.#crypto.disagreed) return verdict;
    return failed({ reason: 'crypto_disagree', detail: 'one edition takes a signature that another refuses' });
  }

  #verdict(): Verdict {
    if (this.#failure !== undefined || this.#context === undefined) {
      return this.#failure ?? failed({ reason: 'no_trust', detail: 'give a trust policy or a verifier key' });
    }
    if (this.#export !== undefined) return this.#export.end();
    if (this.#headBytes > 0) return verifyBundle(this.#context, concatBytes(...this.#head));
    const reason = this.#context.single === undefined ? 'unattributed' : 'empty';
    return failed({ reason, detail: 'the file is empty' });
  }
}

/** Of the verdict's logs: what a second reading must be asked for. */
export function unjoinedSizes({ logs }: Verdict): readonly number[] {
  return logs.flatMap(({ anchors }) => anchors.unjoined ?? []);
}

/** Where the verified trees of a verdict end: what another file of these logs must agree with. */
export function othersOf({ logs }: Verdict): readonly OtherCheckpoint[] {
  return logs.flatMap(({ origin, end, root }) => {
    const bytes = unbase64(root);
    return bytes === undefined ? [] : [{ origin, size: end, root: bytes }];
  });
}

/** Never throws: whatever goes wrong inside is "cannot tell". Reads twice where a second reading joins more anchors. */
export function verifyBytes(bytes: Uint8Array, options: VerifyOptions): Verdict {
  const verdict = verifyOnce(bytes, options);
  const sizes = unjoinedSizes(verdict);
  return sizes.length === 0 || options.sizes !== undefined ? verdict : verifyOnce(bytes, { ...options, sizes });
}

function verifyOnce(bytes: Uint8Array, options: VerifyOptions): Verdict {
  try {
    const verifier = new FileVerifier(options);
    verifier.push(bytes);
    return verifier.end();
  } catch (error) {
    return failed({ reason: 'internal', detail: messageOf(error) });
  }
}

/**
 * Reads until the verdict is certain. A source is read once: where the verdict leaves anchors `unjoined`, open it again and
 * give their sizes. Rejects only with what the source rejects with.
 */
export async function verifyFile(source: AsyncIterable<Uint8Array>, options: VerifyOptions): Promise<Verdict> {
  const step = guarded(options);
  for await (const chunk of source) if (!step.push(chunk)) break;
  return step.end();
}

interface Step {
  push(chunk: Uint8Array): boolean;
  end(): Verdict;
}

function guarded(options: VerifyOptions): Step {
  let broken: Verdict | undefined;
  let verifier: FileVerifier | undefined;
  const attempt = <T>(run: () => T, otherwise: T): T => {
    if (broken !== undefined) return otherwise;
    try {
      return run();
    } catch (error) {
      broken = failed({ reason: 'internal', detail: messageOf(error) });
      return otherwise;
    }
  };
  attempt(() => {
    verifier = new FileVerifier(options);
  }, undefined);
  return {
    push: (chunk) => attempt(() => verifier?.push(chunk) ?? false, false),
    end: () => {
      const verdict = attempt(() => verifier?.end(), undefined);
      return verdict ?? broken ?? failed({ reason: 'internal', detail: 'no verdict' });
    },
  };
}
