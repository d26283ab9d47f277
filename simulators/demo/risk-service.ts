/** The risk service of the demo: everything of the cloud side in one process, on a database in one directory. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { base64url } from '../../src/base/bytes.ts';
import { LatchkeyError } from '../../src/base/errors.ts';
import { askHttp, type HttpQuestion } from '../../src/platform/http/client.ts';
import { Child } from './child-process.ts';
import { latchkeyDone, mainPath } from './product.ts';

/** In its diagnostics, once it answers and hears the broker. */
const RUNS = 'the risk service runs';
const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 60_000;

/** A client of its API, and who sends it webhooks: each with a secret that both sides know. */
export interface RiskSecrets {
  readonly client: { readonly id: string; readonly secret: string; readonly sha256: string };
  readonly sources: readonly RiskSource[];
}

export interface RiskSource {
  readonly name: string;
  readonly kind: 'merchant' | 'payment';
  readonly key: Uint8Array;
  readonly file: string;
}

export function makeSecrets(dir: string): RiskSecrets {
  const secret = `lks_${base64url(Uint8Array.from(randomBytes(32)))}`;
  const folder = join(dir, 'webhooks');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const sources = (['merchant', 'payment'] as const).map((kind): RiskSource => {
    const key = randomBytes(32);
    const file = join(folder, `${kind}.secret`);
    writeFileSync(file, `whsec_${key.toString('base64')}\n`, { mode: 0o600 });
    return { name: `demo-${kind}`, kind, key: Uint8Array.from(key), file };
  });
  const sha256 = createHash('sha256').update(secret).digest('hex');
  return { client: { id: 'demo-shop', secret, sha256 }, sources };
}

export class RiskService {
  readonly #dataDir: string;
  readonly #url: string;
  #process: Child | undefined;

  /** `url`: where its settings have it listen. */
  constructor(dataDir: string, url: string) {
    this.#dataDir = dataDir;
    this.#url = url;
  }

  /** C2SP verifier key of the receipts that it gives; the key is made when there is none. */
  async witnessVkey(): Promise<string> {
    return (await latchkeyDone([...this.#args(), '--show-key'])).trim();
  }

  start(): void {
    this.#process = new Child(process.execPath, [mainPath(), ...this.#args()]);
  }

  /** Resolves when it answers and hears the broker. */
  async ready(): Promise<void> {
    await this.#running().line(RUNS, START_LIMIT_MS);
  }

  /** Rejects with INTERNAL for any answer but 200: the demo asks nothing that may be refused. */
  async ask(question: HttpQuestion): Promise<unknown> {
    const { status, body } = await askHttp({ url: this.#url }, question);
    const text = Buffer.from(body).toString();
    if (status === 200) return JSON.parse(text);
    throw new LatchkeyError('INTERNAL', `${question.path} answered ${status}: ${text}${this.#running().tail()}`);
  }

  async stop(): Promise<void> {
    const service = this.#process;
    if (service === undefined) return;
    const { code, signal } = await service.stop('SIGTERM', STOP_LIMIT_MS);
    this.#process = undefined;
    if (code !== 0) throw new LatchkeyError('INTERNAL', `the service stopped with ${signal ?? code}${service.tail()}`);
  }

  /** Leaves nothing running. */
  async abandon(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  #args(): readonly string[] {
    return ['risk', '--embedded', '--data-dir', this.#dataDir];
  }

  #running(): Child {
    if (this.#process === undefined) throw new LatchkeyError('INTERNAL', 'the risk service was not started');
    return this.#process;
  }
}
