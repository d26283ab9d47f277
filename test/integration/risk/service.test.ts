/** The service as one process would run it: embedded, with a broker, from start to signal. One database for the file. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { CommandArgs, type CommandIo } from '../../../src/cli/command.ts';
import { riskReplayCommand } from '../../../src/cli/commands/risk-refund.ts';
import { TokenKeys } from '../../../src/risk/api/token-keys.ts';
import { mintToken } from '../../../src/risk/api/tokens.ts';
import { runRiskService } from '../../../src/risk/service/service.ts';
import { type RiskSettings, riskSettings, riskSettingsSchema } from '../../../src/risk/service/settings.ts';
import { embedded } from '../../support/embedded.ts';
import { PeerWitness } from '../../support/peer-witness.ts';
import { until } from '../../support/until.ts';
import { grow, newLog } from '../../unit/intake/events.ts';
import { Fleet } from '../receive/fleet.ts';

const PARCEL = 'k1.LLLLLLLLLLLLLLLLLLLLLL';
const NAME = 'refunds.example/risk';
const LIMIT_MS = 240_000;

let fleet: Fleet;
let peer: PeerWitness;
let settings: RiskSettings;
let stop: AbortController;
let running: Promise<void>;
let url = '';
let decided: {
  readonly decision_id: string;
  readonly outcome: string;
  readonly reasons: readonly { readonly code: string }[];
};

function settingsWith(more: object): RiskSettings {
  const { home, broker } = fleet;
  return riskSettings(
    riskSettingsSchema.parse({
      policy: join(home, 'policy.json'),
      mqtt: { url: broker.url, protocol: '3.1.1', reconnect: { first_ms: 10, max_ms: 50 } },
      receipts: { name: 'refunds.example/receipts', role: 'advisory' },
      status_interval_s: 1,
      api: { name: NAME, http: { port: 0 } },
      ...more,
    }),
    fleet.dataDir,
  );
}

const log = grow(newLog(), 6, (n) =>
  n === 3 ? { type: 'code.scanned', data: { size_bytes: 20 }, more: { parcel: { ref: PARCEL, scheme: 'sscc' } } } : {},
);

type Asking = 'auditor' | 'merchant' | 'metrics';
async function ask(path: string, init: RequestInit = {}, role: Asking = 'auditor'): Promise<Response> {
  const keys = await TokenKeys.open(join(fleet.dataDir, 'keys', 'token.key'), NAME);
  const token = mintToken(keys, { subject: 'test', role }, 5, Date.now());
  return fetch(`${url}${path}`, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } });
}

/** `latchkey risk replay ID --data-dir DIR --json`, in this process. */
async function replay(id: string): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const text = { out: '', err: '' };
  const io: CommandIo = {
    out: (line) => {
      text.out += line;
    },
    err: (line) => {
      text.err += line;
    },
    write: async () => undefined,
    signal: new AbortController().signal,
  };
  const code = await riskReplayCommand(new CommandArgs([id], { 'data-dir': fleet.dataDir, json: true }), io);
  return { ...text, code };
}

async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'resolved',
    (error: unknown) => (error instanceof LatchkeyError ? error.code : String(error)),
  );
}

beforeAll(async () => {
  fleet = await Fleet.start();
  fleet.believe(log);
  peer = await PeerWitness.start('peer.example/w1', [{ origin: log.origin, publicKey: log.vkey.publicKey }]);
  settings = settingsWith({
    independent_witnesses: [{ name: 'peer', vkey: peer.vkey, url: peer.url, every_s: 1, timeout_s: 60 }],
  });
  mkdirSync(fleet.dataDir, { recursive: true, mode: 0o700 });
  await embedded(join(fleet.dataDir, 'database'));
  const written = { trust_first_use: true, mqtt: { url: fleet.broker.url }, api: { name: NAME, http: { port: 0 } } };
  writeFileSync(join(fleet.dataDir, 'risk.yaml'), JSON.stringify(written), { mode: 0o600 });
  stop = new AbortController();
  let isReady = false;
  const onReady = (where: string | undefined): void => {
    url = where ?? '';
    isReady = true;
  };
  running = runRiskService(settings, { logger: fleet.logger, onReady }, stop.signal);
  let failed: unknown;
  running.catch((error: unknown) => {
    failed = error;
  });
  await until('the service runs', () => isReady || failed !== undefined, LIMIT_MS);
  expect(failed).toBeUndefined();
}, LIMIT_MS);

afterAll(async () => {
  stop.abort();
  await running;
  await peer.stop();
  await fleet.end();
});

describe('the risk service', () => {
  test('says that it is ready, once broker and database answer', async () => {
    const answer = await fetch(`${url}/readyz`);
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as { checks: readonly { name: string }[] }).checks.map(({ name }) => name)).toEqual([
      'database',
      'intake',
      'broker',
      'ledger',
    ]);
  });

  test('takes in what a gateway sends, receipts it, and knows custody at once', async () => {
    await fleet.send(log, 'batch', log.batch(0, 6));
    await fleet.untilReceipted(log, 6);
    const answer = await ask(`/v1/parcels/${PARCEL}/ledger`, {}, 'auditor');
    expect(answer.status).toBe(200);
    expect(JSON.stringify(await answer.json())).toContain(`${log.origin}#3`);
    const status = () =>
      fleet.status() as unknown as {
        ledger: { read: number };
        patterns?: { stale: boolean };
        retention?: { age_ms?: number };
        api: { url: string };
      };
    // status.json is renewed now and then.
    await until(
      'status.json tells of it',
      () => status().ledger.read > 0 && status().patterns?.stale === false && status().retention?.age_ms !== undefined,
      LIMIT_MS,
    );
    expect(status().api.url).toBe(url);
    const metrics = await (await ask('/metrics', {}, 'metrics')).text();
    expect(metrics).toContain('\nlatchkey_ready 1\n');
    expect(metrics).toContain('\nlatchkey_patterns_up 1\n');
    expect(metrics).toContain('\nlatchkey_patterns_stale 0\n');
    expect(metrics).toContain('\nlatchkey_retention_overdue 0\n');
    expect(metrics).toMatch(/^latchkey_ledger_entries_read_total [1-9]/m);
    expect(metrics).not.toContain('Not documented');
  });

  test('has the witness of its settings cosign what is stored, and says so in status and metrics', async () => {
    await until('the witness was asked', () => peer.trees.get(log.origin)?.size === 6, LIMIT_MS);
    const status = () =>
      (fleet.status() as unknown as { independent_witnesses: readonly object[] }).independent_witnesses;
    await until('status.json tells of it', () => JSON.stringify(status()).includes('"result":"cosigned"'), LIMIT_MS);
    expect(status()).toMatchObject([
      { name: 'peer', witness: peer.name, owed: 0, newest: expect.stringMatching(/Z$/) },
    ]);
    const metrics = await (await ask('/metrics', {}, 'metrics')).text();
    expect(metrics).toContain('\nlatchkey_witness_submissions_total{result="cosigned",witness="peer"} 1\n');
    expect(metrics).toMatch(/^latchkey_witness_cosignature_age_seconds\{witness="peer"\} /m);
  });

  test('gives a sealed bundle of a parcel, with the cosignature of its witness', async () => {
    const answer = await ask(`/v1/parcels/${PARCEL}/bundle`);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain(`— ${peer.name} `);
    expect(existsSync(join(fleet.dataDir, 'keys', 'bundles.key'))).toBe(true);
  });

  test('decides a refund, and never pays on a payment that it does not know', async () => {
    const request = {
      refund_id: 'r-1',
      kind: 'return',
      parcel_refs: [PARCEL],
      amount_minor: 1_000,
      currency: 'USD',
      operator: 'op-1',
      requested_at: new Date().toISOString(),
      payment_ref: 'pay-1',
      destination: 'original',
    };
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'k-1' };
    const init = { method: 'POST', headers, body: JSON.stringify(request) };
    const answer = await ask('/v1/refund-decisions', init, 'merchant');
    expect(answer.status).toBe(200);
    const decision = (await answer.json()) as typeof decided;
    expect(decision.outcome).toBe('HOLD');
    expect(decision.reasons.map(({ code }) => code)).toContain('DEPENDENCY_DOWN');
    decided = decision;
  });

  test('answers for its database while it holds it: a decision is made again by the command line', async () => {
    const found = await replay(decided.decision_id);
    expect(found).toMatchObject({ code: 0, err: 'the same as it was decided' });
    expect(JSON.parse(found.out)).toMatchObject(decided);
    expect(await failure(replay('d-00000000000000000000000000000000'))).toBe('NAME_UNKNOWN');
  });

  test('tells all that it can be asked as the document in config/ does', async () => {
    const told = await (await fetch(`${url}/openapi.json`)).text();
    expect(told).toBe(readFileSync(join(import.meta.dirname, '../../../config/openapi.json'), 'utf8'));
  });

  test('refuses a webhook of a source that nobody declared', async () => {
    const answer = await fetch(`${url}/v1/sources/stranger`, { method: 'POST', body: '{}' });
    expect(answer.status).toBe(404);
    expect(await answer.text()).toContain('unknown_source');
  });

  test('has its folder for itself', async () => {
    expect(await failure(runRiskService(settings, { logger: fleet.logger }, AbortSignal.abort()))).toBe('STORE_BUSY');
  });

  test(
    'stops cleanly, and a start that fails gives everything back',
    async () => {
      stop.abort();
      await running;
      expect(fleet.status()).toMatchObject({ state: 'stopped' });
      await expect(fetch(`${url}/healthz`)).rejects.toThrow();
      const other = createServer().listen(0, '127.0.0.1');
      await until('a port in use', () => other.listening);
      const address = other.address();
      const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
      const busy = settingsWith({ api: { name: NAME, http: { port } } });
      expect(await failure(runRiskService(busy, { logger: fleet.logger }, new AbortController().signal))).toBe(
        'PORT_BUSY',
      );
      other.close();
    },
    LIMIT_MS,
  );
});

describe('settings of the service', () => {
  test('an embedded database gives no receipts unless asked, PostgreSQL those of a store', () => {
    const role = (more: object): string => settingsWith({ receipts: {}, ...more }).receive.witness.role;
    expect(role({})).toBe('off');
    expect(role({ database: { postgres: { url_file: '/nowhere' } } })).toBe('store');
  });

  test('a store that does not sync promises none, which it says once it has the folder', async () => {
    const promising = settingsWith({ receipts: { name: 'refunds.example/receipts', role: 'store' } });
    const started = runRiskService(
      { ...promising, dataDir: fleet.dataDir },
      { logger: fleet.logger },
      AbortSignal.abort(),
    );
    expect(await failure(started)).toBe('CONFIG_INVALID');
  });

  test('without a place for its data it does not start', () => {
    const written = riskSettingsSchema.parse({ mqtt: { url: 'mqtt://127.0.0.1' }, trust_first_use: true });
    expect(() => riskSettings(written)).toThrow(/data_dir/);
  });
});
