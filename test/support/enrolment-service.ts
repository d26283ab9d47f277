/** The enrolment service in this process, over files and HTTP on loopback, with whatever vendors a test believes. */

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { cpSync, mkdirSync } from 'node:fs';
import type { Logger } from '../../src/base/logger.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { formatVkey } from '../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { openSealed } from '../../src/platform/sealed-box.ts';
import { FileEnrolmentStore } from '../../src/risk/enrolment/file-store.ts';
import { readGateway } from '../../src/risk/enrolment/gateway-book.ts';
import type { GatewayState } from '../../src/risk/enrolment/history.ts';
import { escrowContext } from '../../src/risk/enrolment/messages.ts';
import { policyText } from '../../src/risk/enrolment/policy.ts';
import { keyOf, serveEnrolments } from '../../src/risk/enrolment/serve.ts';
import { enrolmentSettingsSchema } from '../../src/risk/enrolment/settings.ts';
import { newToken } from '../../src/risk/enrolment/tokens.ts';

export interface TestServiceOptions {
  /** PEM files of vendors, by class. */
  readonly roots: { readonly hardware?: readonly string[]; readonly emulated?: readonly string[] };
  readonly approve?: 'all' | 'doubtful';
  readonly escrow?: boolean;
  readonly tls?: { readonly cert_file: string; readonly key_file: string };
  readonly name?: string;
  readonly logger?: Logger;
}

export interface TestService {
  readonly url: string;
  /** Its vkey, as text. */
  readonly key: string;
  readonly escrowKey: KeyObject;
  token(gateway: string): Promise<string>;
  state(gateway: string): Promise<GatewayState>;
  policy(gateway: string): Promise<string>;
  /** What the box handed over in its newest exchange. */
  escrow(gateway: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

export async function startTestService(dir: string, options: TestServiceOptions): Promise<TestService> {
  const { roots, approve = 'doubtful', escrow = true, tls, name = 'enrolment.lockers.example' } = options;
  for (const kind of ['hardware', 'emulated'] as const) {
    mkdirSync(`${dir}/roots/${kind}`, { recursive: true });
    for (const [n, path] of (roots[kind] ?? []).entries()) cpSync(path, `${dir}/roots/${kind}/${n}.pem`);
  }
  const keys = generateKeyPairSync('x25519');
  const settings = enrolmentSettingsSchema.parse({
    data_dir: `${dir}/data`,
    name,
    http: { port: 0, requests_per_minute: 10_000, ...(tls && { tls }) },
    operator_domains: ['lockers.example'],
    classes: ['hardware', 'emulated', 'software'],
    approve,
    ek_roots: `${dir}/roots`,
    ...(escrow && { escrow_key: keys.publicKey.export({ format: 'der', type: 'spki' }).toString('base64') }),
  });
  const stop = new AbortController();
  const { key } = await keyOf(settings);
  const store = await FileEnrolmentStore.open(settings.data_dir);
  let done: Promise<void> = Promise.resolve();
  const url = await new Promise<string>((resolve, reject) => {
    done = serveEnrolments(settings, { logger: options.logger ?? silentLogger, onReady: resolve }, stop.signal);
    done.catch(reject);
  });
  const state = (gateway: string) => readGateway(store, gateway);
  return {
    url,
    key: formatVkey(key.vkey),
    escrowKey: keys.privateKey,
    state,
    async token(gateway) {
      const made = newToken(gateway, systemScheduler().wallMs() + 3_600_000);
      await store.addTokens([made.row]);
      return made.token;
    },
    policy: async (gateway) => policyText(nodeCrypto, [await state(gateway)], { witnesses: [], least_level: 'A0' }),
    async escrow(gateway) {
      const sealed = (await state(gateway)).escrows.at(-1)?.escrow;
      const bytes = sealed && openSealed(keys.privateKey, escrowContext(gateway), Buffer.from(sealed, 'base64'));
      return bytes && Buffer.from(bytes).toString('utf8');
    },
    async stop() {
      stop.abort();
      await done;
    },
  };
}
