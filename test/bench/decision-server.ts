/**
 * The server of the decisions benchmark, a process of its own: the risk API on a database, and beside it the floor, the
 * same HTTP server that reads a body and answers a constant, and tells how many statements were sent.
 *
 *     node decision-server.js DATABASE-URL KEY-FILE
 */
import pg from 'pg';
import { silentLogger } from '../../src/base/logger.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { readBody, startHttp } from '../../src/platform/http/server.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { custodyRates } from '../../src/risk/api/custody-rates.ts';
import { serveRiskApi } from '../../src/risk/api/http-api.ts';
import { apiSettingsSchema } from '../../src/risk/api/settings.ts';
import { TokenKeys } from '../../src/risk/api/token-keys.ts';
import { mintToken } from '../../src/risk/api/tokens.ts';
import { HoldBook } from '../../src/risk/casework/hold-book.ts';
import { RefundDesk } from '../../src/risk/casework/refund-desk.ts';
import { makeRuleset } from '../../src/risk/decision/ruleset.ts';
import { LedgerStore } from '../../src/risk/ledger/ledger-store.ts';
import { RiskDatabase } from '../../src/risk/store/open-database.ts';

const OWNER = { tenant: 'bench', region: 'eu' };
const POOL_MAX = 16;
const BODY_BYTES_MAX = 32_768;
const [url = '', keyFile = ''] = process.argv.slice(2);

let statements = 0;
const sendQuery = pg.Client.prototype.query;
pg.Client.prototype.query = function counted(this: pg.Client, ...args: unknown[]) {
  statements += 1;
  return Reflect.apply(sendQuery, this, args);
} as typeof sendQuery;

const clock = systemScheduler();
const database = await RiskDatabase.open({ engine: 'postgres', url, poolMax: POOL_MAX });
const settings = apiSettingsSchema.parse({
  http: { port: 0, requests_per_minute: 1_000_000 },
  name: 'bench.example/risk',
  token_key_file: keyFile,
  subject_requests_per_minute: 1_000_000,
});
const tokenKeys = await TokenKeys.open(keyFile, settings.name);
const ledger = new LedgerStore({ database, ...OWNER, levelOf: () => 'A2' });
const ruleset = makeRuleset(nodeCrypto, {});
const desk = new RefundDesk({
  database,
  ledger,
  crypto: nodeCrypto,
  ruleset,
  ...OWNER,
  clock,
  logger: silentLogger,
});
const api = await serveRiskApi({
  settings,
  tokenKeys,
  desk,
  ledger,
  holds: new HoldBook(database),
  bundles: { ofParcel: async () => undefined, ofRefund: async () => undefined },
  epcis: { ofParcel: async () => undefined },
  rates: custodyRates(database),
  evidence: { kept: async () => [] },
  metricsText: () => '',
  health: { ready: async () => [] },
  clock,
  logger: silentLogger,
});
const constant = JSON.stringify({ outcome: 'PAY', text: 'x'.repeat(2_000) });
const floor = await startHttp({
  settings: settings.http,
  handle: async (request) => {
    if (request.url.endsWith('/statements')) return Response.json({ statements });
    await readBody(request, BODY_BYTES_MAX);
    return new Response(constant, { headers: { 'content-type': 'application/json' } });
  },
  tooMany: () => new Response(null, { status: 429 }),
  clock,
  logger: silentLogger,
});
const token = mintToken(tokenKeys, { subject: 'bench', role: 'merchant' }, 15, clock.wallMs());
process.stdout.write(`${JSON.stringify({ port: api.port, floorPort: floor.port, token })}\n`);
process.on('SIGTERM', () => {
  void Promise.all([api.close(), floor.close()]).then(() => database.close());
});
