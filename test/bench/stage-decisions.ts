/**
 * Refund decisions through HTTP on PostgreSQL, at 1, 8 and 32 clients and at a steady 500/s, beside two floors: the same
 * HTTP server that answers a constant, and a bare transaction that inserts one row and commits.
 */

import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { Child } from '../../simulators/demo/child-process.ts';
import { startPostgres } from '../support/postgres.ts';
import type { Bench } from './bench.ts';
import { percentile, round } from './figures.ts';
import { cpuSeconds } from './proc.ts';
import { type Seeded, seedLedger, seedPayments } from './seed-ledger.ts';

const CLIENTS = [1, 8, 32] as const;
const STEADY_PER_S = 500;
const STEADY_CLIENTS = 64;
const PAYMENTS = 200_000;
const OPERATORS = 2_000;
/**
 * V8 compiles most of the service while the first thousands are decided, on the same cores: of a service that has just begun
 * that would be what is measured.
 */
export const WARM_UP = 10_000;
const WARM_UP_CLIENTS = 32;
const SECONDS = 8;
const START_LIMIT_MS = 60_000;

export interface Rate {
  readonly clients: number;
  readonly answers: number;
  readonly perS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface DecisionFigures {
  readonly postgres: string;
  readonly seeded: Omit<Seeded, 'parcels'>;
  readonly decisions: readonly Rate[];
  readonly constant: readonly Rate[];
  readonly transaction: readonly Rate[];
  /** From the moment when each should have left. */
  readonly steady: Rate;
  /** For each number of clients, and at the steady pace. */
  readonly costs: readonly Cost[];
}

/** What one decision takes of a processor: of the service, of all processes of the database, and of whoever asks. */
export interface Cost {
  readonly clients: number | 'steady';
  readonly serverMs: number;
  readonly databaseMs: number;
  readonly generatorMs: number;
  /** Sent by the service for one decision: begin and commit count where they travel alone. */
  readonly statements: number;
}

interface Served {
  readonly port: number;
  readonly floorPort: number;
  readonly token: string;
}

export type DecisionBench = Pick<Bench, 'folder' | 'events' | 'progress' | 'own'>;

export async function measureDecisions(bench: DecisionBench): Promise<DecisionFigures> {
  const postgres = await startPostgres();
  let server: Child | undefined;
  try {
    const url = await postgres.database('decisions');
    const { parcels, ...seeded } = await seedLedger(url, bench.events, bench.progress);
    await seedPayments(url, PAYMENTS);
    bench.progress(
      `${seeded.events} events stored at ${seeded.storePerS}/s, read into the ledger at ${seeded.readPerS}/s`,
    );
    let served: Served | undefined;
    const args = [join(import.meta.dirname, 'decision-server.js'), url, join(bench.folder, 'token.key')];
    server = bench.own(
      new Child(process.execPath, args, {
        onLine: (line, stream) => {
          if (stream === 'out' && line.startsWith('{"port"')) served = JSON.parse(line) as Served;
        },
      }),
    );
    const endMs = performance.now() + START_LIMIT_MS;
    while (served === undefined) {
      if (!server.running || performance.now() > endMs) throw new Error(`the server did not start${server.tail()}`);
      await pause(20);
    }
    return {
      postgres: postgres.version,
      seeded,
      ...(await measureServer(bench, { ...served, pid: server.pid }, url, parcels)),
    };
  } finally {
    if (server?.running === true) server.signal('SIGKILL');
    await postgres.stop();
  }
}

async function measureServer(
  bench: DecisionBench,
  served: Served & { readonly pid: number },
  url: string,
  parcels: readonly string[],
) {
  const { port, floorPort, token, pid } = served;
  let next = 0;
  const ask = (agent: Agent, to: number): Promise<void> => {
    next += 1;
    const body = refundBody(next, parcels);
    return post(agent, to, token, `k-${next}`, body);
  };
  await clients(WARM_UP, WARM_UP_CLIENTS, (agent) => ask(agent, port));
  await analyze(url);
  const meter = new Meter({ pid, floorPort, url });
  const decisions: Rate[] = [];
  const constant: Rate[] = [];
  const transaction: Rate[] = [];
  const costs: Cost[] = [];
  for (const count of CLIENTS) {
    constant.push(await inTurns(count, SECONDS, (agent) => ask(agent, floorPort)));
    transaction.push(await bareTransactions(url, count, SECONDS));
    const [found, cost] = await meter.of(count, () => inTurns(count, SECONDS, (agent) => ask(agent, port)));
    decisions.push(found);
    costs.push(cost);
    bench.progress(`decisions, ${count} clients: ${found.perS}/s, p50 ${found.p50Ms} ms, p99 ${found.p99Ms} ms`);
  }
  const [steady, cost] = await meter.of('steady', () => paced(STEADY_PER_S, SECONDS, (agent) => ask(agent, port)));
  costs.push(cost);
  bench.progress(
    `decisions, ${STEADY_PER_S}/s asked: ${steady.perS}/s, p50 ${steady.p50Ms} ms, p99 ${steady.p99Ms} ms`,
  );
  return { decisions, constant, transaction, steady, costs };
}

/** Plans that were made while tables were empty read them whole until the server looks at them again by itself. */
async function analyze(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('analyze');
  await client.end();
}

interface Seen {
  readonly serverS: number;
  readonly databaseS: ReadonlyMap<number, number>;
  readonly generatorS: number;
  readonly statements: number;
}

/** What the work of many decisions takes, for each of them. */
class Meter {
  readonly #parts: { readonly pid: number; readonly floorPort: number; readonly url: string };

  constructor(parts: { readonly pid: number; readonly floorPort: number; readonly url: string }) {
    this.#parts = parts;
  }

  async of(clients: Cost['clients'], work: () => Promise<Rate>): Promise<readonly [Rate, Cost]> {
    const before = await this.#look();
    const rate = await work();
    const after = await this.#look();
    // A backend that came meanwhile began with nothing.
    const databaseS = [...after.databaseS].reduce((sum, [pid, s]) => sum + s - (before.databaseS.get(pid) ?? 0), 0);
    const each = (seconds: number): number => round((1_000 * seconds) / Math.max(1, rate.answers), 2);
    const cost = {
      clients,
      serverMs: each(after.serverS - before.serverS),
      databaseMs: each(databaseS),
      generatorMs: each(after.generatorS - before.generatorS),
      statements: round((after.statements - before.statements) / Math.max(1, rate.answers), 1),
    };
    return [rate, cost];
  }

  async #look(): Promise<Seen> {
    const { pid, floorPort, url } = this.#parts;
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      const { rows } = await client.query<{ readonly pid: number }>('select pid from pg_stat_activity');
      const answer = await fetch(`http://127.0.0.1:${floorPort}/statements`);
      const { statements } = (await answer.json()) as { readonly statements: number };
      return {
        serverS: cpuSeconds(pid),
        databaseS: new Map(rows.map((row) => [row.pid, cpuSeconds(row.pid)])),
        generatorS: cpuSeconds(process.pid),
        statements,
      };
    } finally {
      await client.end();
    }
  }
}

/** An honest return mostly; one in ten is of a parcel that nobody knows, and held. */
function refundBody(n: number, parcels: readonly string[]): string {
  const parcel = n % 10 === 0 ? `k1.unknown-${n}` : (parcels[(n * 7_919) % parcels.length] ?? '');
  return JSON.stringify({
    refund_id: `r-${n}`,
    kind: 'return',
    parcel_refs: [parcel],
    amount_minor: 3_000 + (n % 50) * 100,
    currency: 'USD',
    operator: `op-${n % OPERATORS}`,
    requested_at: new Date().toISOString(),
    payment_ref: `pay-${(n % PAYMENTS) + 1}`,
    destination: 'original',
  });
}

function post(agent: Agent, port: number, token: string, key: string, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'idempotency-key': key,
    };
    const asked = request(
      { agent, host: '127.0.0.1', port, method: 'POST', path: '/v1/refund-decisions', headers },
      (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        answer.on('end', () => {
          if (answer.statusCode === 200) resolve();
          else reject(new Error(`expected a decision, found ${answer.statusCode}: ${text.slice(0, 300)}`));
        });
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

async function clients(total: number, count: number, ask: (agent: Agent) => Promise<void>): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: count });
  let left = total;
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (left > 0) {
        left -= 1;
        await ask(agent);
      }
    }),
  );
  agent.destroy();
}

/** Each client asks again once it was answered. */
async function inTurns(count: number, seconds: number, ask: (agent: Agent) => Promise<void>): Promise<Rate> {
  const agent = new Agent({ keepAlive: true, maxSockets: count });
  const rate = await repeat(count, seconds, () => ask(agent));
  agent.destroy();
  return rate;
}

async function repeat(count: number, seconds: number, once: (client: number) => Promise<void>): Promise<Rate> {
  const tookMs: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  await Promise.all(
    Array.from({ length: count }, async (_, client) => {
      while (performance.now() < endMs) {
        const sentMs = performance.now();
        await once(client);
        tookMs.push(performance.now() - sentMs);
      }
    }),
  );
  return rateOf(count, tookMs, performance.now() - startMs);
}

/** At a fixed pace, whether or not the ones before were answered: what waits counts from when it should have left. */
async function paced(perS: number, seconds: number, ask: (agent: Agent) => Promise<void>): Promise<Rate> {
  const agent = new Agent({ keepAlive: true, maxSockets: STEADY_CLIENTS });
  const tookMs: number[] = [];
  const open: Promise<void>[] = [];
  const startMs = performance.now();
  const total = perS * seconds;
  for (let i = 0; i < total; i += 1) {
    const dueMs = startMs + (i * 1_000) / perS;
    const waitMs = dueMs - performance.now();
    if (waitMs > 1) await pause(waitMs);
    open.push(ask(agent).then(() => void tookMs.push(performance.now() - dueMs)));
  }
  await Promise.all(open);
  const rate = rateOf(STEADY_CLIENTS, tookMs, performance.now() - startMs);
  agent.destroy();
  return rate;
}

async function bareTransactions(url: string, count: number, seconds: number): Promise<Rate> {
  const pool = new pg.Pool({ connectionString: url, max: count });
  await pool.query('create table if not exists public.floor (id bigint generated always as identity, body text)');
  const rate = await repeat(count, seconds, async () => {
    const client = await pool.connect();
    await client.query('begin');
    await client.query('insert into public.floor (body) values ($1)', ['x'.repeat(2_000)]);
    await client.query('commit');
    client.release();
  });
  await pool.end();
  return rate;
}

function rateOf(count: number, tookMs: readonly number[], spanMs: number): Rate {
  return {
    clients: count,
    answers: tookMs.length,
    perS: Math.round(tookMs.length / (spanMs / 1_000)),
    p50Ms: round(percentile(tookMs, 50), 1),
    p99Ms: round(percentile(tookMs, 99), 1),
  };
}
