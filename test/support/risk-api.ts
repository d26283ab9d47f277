/**
 * The API of the risk side for tests, listening on loopback over rooms that the test gives. Every answer is held against the OpenAPI document, and its problem codes are kept.
 */
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import { ManualScheduler } from '../../src/base/manual-scheduler.ts';
import type { HttpServer } from '../../src/platform/http/server.ts';
import type { Endpoint } from '../../src/risk/api/endpoint.ts';
import { serveRiskApi } from '../../src/risk/api/http-api.ts';
import { openApiText } from '../../src/risk/api/openapi.ts';
import type { ApiParts } from '../../src/risk/api/parts.ts';
import { PROBLEM_CODES, type ProblemCode } from '../../src/risk/api/problems.ts';
import type { Role } from '../../src/risk/api/roles.ts';
import { apiSettingsSchema } from '../../src/risk/api/settings.ts';
import { TokenKeys } from '../../src/risk/api/token-keys.ts';
import { mintToken } from '../../src/risk/api/tokens.ts';
import type { RefundRequest } from '../../src/risk/casework/refund-request.ts';
import { TextLogger } from '../unit/intake/harness.ts';
import { PARCEL } from '../unit/ledger/support.ts';
import { makeTempDir, type TempDir } from './temp-dir.ts';

export const NOW_MS = Date.UTC(2026, 10, 22, 12);
export const API_NAME = 'refunds.example/risk';
export const BUNDLE = new TextEncoder().encode('{"bundle":"of a test"}\n');
/** The one subject that may say that goods are recalled. */
export const RECALLER = 'recall-desk';
const IS_JSON = /^application\/(?:problem\+)?json/;

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // Tests look into whatever came.
  // biome-ignore lint/suspicious/noExplicitAny: an answer of any endpoint
  readonly body: any;
}

/** What stands behind the API, and how it is closed. */
export interface Rooms extends Pick<ApiParts, 'desk' | 'ledger' | 'holds' | 'rates' | 'evidence'> {
  close(): Promise<void>;
}

export type MakeRooms = (dir: TempDir, clock: ManualScheduler, logger: TextLogger) => Promise<Rooms>;

interface ApiBenchOptions {
  readonly rooms: MakeRooms;
  readonly clients?: ApiParts['settings']['clients'];
}

type Place = 'api' | 'refusals' | 'tokens' | 'failures';

/** Which file of tests brings each problem about: a new one compiles only with a place. */
const MET_IN: Readonly<Record<ProblemCode, Place>> = {
  malformed_json: 'refusals',
  invalid_body: 'refusals',
  invalid_path: 'refusals',
  invalid_query: 'refusals',
  idempotency_key_missing: 'refusals',
  idempotency_key_invalid: 'refusals',
  unsupported_media_type: 'refusals',
  too_large: 'refusals',
  card_number: 'refusals',
  personal_data: 'refusals',
  unauthenticated: 'api',
  token_invalid: 'tokens',
  token_expired: 'tokens',
  client_refused: 'refusals',
  unsupported_grant: 'refusals',
  scope_refused: 'refusals',
  forbidden: 'api',
  recall_forbidden: 'api',
  no_such_path: 'refusals',
  not_found: 'api',
  method_not_allowed: 'refusals',
  key_reused: 'api',
  refund_known: 'api',
  refund_closed: 'api',
  requested_at: 'api',
  settled_before: 'api',
  reference_known: 'api',
  amount_differs: 'api',
  not_ordered: 'api',
  exceeds_captured: 'api',
  too_many_requests: 'failures',
  internal: 'failures',
  unavailable: 'failures',
  timed_out: 'failures',
};

export function expectMet({ seen }: ApiBench, place: Place): void {
  const wanted = PROBLEM_CODES.filter((code) => MET_IN[code] === place);
  expect(wanted.filter((code) => !seen.has(code))).toEqual([]);
  expect(wanted.length).toBeGreaterThan(1);
}

interface Ask {
  readonly role?: Role;
  readonly token?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export class ApiBench {
  readonly dir: TempDir;
  readonly clock: ManualScheduler;
  readonly logger: TextLogger;
  readonly keys: TokenKeys;
  readonly parts: ApiParts;
  readonly server: HttpServer;
  /** Problem codes that any answer had so far. */
  readonly seen = new Set<ProblemCode>();
  readonly #document = new OpenApi();
  readonly #close: () => Promise<void>;

  private constructor(
    made: Pick<ApiBench, 'dir' | 'clock' | 'keys' | 'logger' | 'parts' | 'server'> & { close(): Promise<void> },
  ) {
    this.dir = made.dir;
    this.clock = made.clock;
    this.logger = made.logger;
    this.keys = made.keys;
    this.parts = made.parts;
    this.server = made.server;
    this.#close = made.close;
  }

  static async start({ rooms, clients = [] }: ApiBenchOptions): Promise<ApiBench> {
    const dir = makeTempDir('api');
    const clock = new ManualScheduler(NOW_MS);
    const keys = await TokenKeys.open(dir.file('keys', 'token.key'), API_NAME);
    const logger = new TextLogger();
    const made = await rooms(dir, clock, logger);
    const parts: ApiParts = {
      settings: settingsOf(dir, { clients, failed_logins_per_minute: 10_000, recall_subjects: [RECALLER] }),
      tokenKeys: keys,
      bundles: {
        ofParcel: async (ref) => (ref === PARCEL.ref ? BUNDLE : undefined),
        ofRefund: async (id) => (id.startsWith('r-') ? BUNDLE : undefined),
      },
      epcis: { ofParcel: async (ref) => (ref === PARCEL.ref ? { type: 'EPCISDocument' } : undefined) },
      metricsText: () => '# HELP latchkey_up 1\n# TYPE latchkey_up gauge\nlatchkey_up 1\n',
      health: { ready: async () => [{ name: 'database', ok: true }] },
      clock,
      logger,
      ...made,
    };
    const server = await serveRiskApi(parts);
    return new ApiBench({ dir, clock, keys, logger, parts, server, close: made.close });
  }

  token(role: Role, subject = `test-${role}`): string {
    return mintToken(this.keys, { subject, role }, 15, this.clock.wallMs());
  }

  request(id: string, more: Partial<RefundRequest> = {}): RefundRequest {
    return {
      refund_id: id,
      kind: 'return',
      parcel_refs: [PARCEL.ref],
      amount_minor: 8_000,
      currency: 'USD',
      operator: `op-${id}`,
      requested_at: new Date(this.clock.wallMs()).toISOString(),
      payment_ref: `pay-${id}`,
      destination: 'original',
      ...more,
    };
  }

  async ask(path: string, { role, token, method = 'GET', headers, body }: Ask = {}): Promise<Reply> {
    const bearer = token ?? (role === undefined ? undefined : this.token(role));
    const response = await fetch(`${this.server.url}${path}`, {
      method,
      headers: { ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }), ...headers },
      ...(body !== undefined && { body: body as string }),
    });
    return this.look(method, path, response);
  }

  /** Holds an answer against the document, whoever gave it. */
  async look(method: string, path: string, response: Response): Promise<Reply> {
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    const body = IS_JSON.test(type) && text !== '' ? JSON.parse(text) : undefined;
    if (type.startsWith('application/problem+json')) this.seen.add(body.code);
    this.#document.check(method, path, response.status, type, body);
    return { status: response.status, headers: response.headers, text, body };
  }

  post(path: string, role: Role, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    return this.ask(path, {
      role,
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  }

  decide(key: string, request: unknown): Promise<Reply> {
    return this.post('/v1/refund-decisions', 'merchant', request, { 'idempotency-key': key });
  }

  async stop(): Promise<void> {
    await this.server.close();
    await this.#close();
    this.dir.remove();
  }
}

/** Patient, since a machine that is busy may leave a whole request unread for seconds. */
export function settingsOf(
  dir: TempDir,
  more: object = {},
  requestTimeoutS = 120,
  http: object = {},
): ApiParts['settings'] {
  return apiSettingsSchema.parse({
    http: { port: 0, request_timeout_s: requestTimeoutS, ...http },
    name: API_NAME,
    token_key_file: join(dir.path, 'keys', 'token.key'),
    ...more,
  });
}

/** Whatever the document does not say fails the test. */
class OpenApi {
  // biome-ignore lint/suspicious/noExplicitAny: a document of OpenAPI
  readonly #document: any = JSON.parse(openApiText());
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true, formats: { 'date-time': true } });
  readonly #checks = new Map<string, ValidateFunction>();

  check(method: string, path: string, status: number, type: string, body: unknown): void {
    const operation = this.#operationOf(method, path.split('?')[0] ?? '');
    if (operation === undefined) return;
    const { operationId } = operation;
    const told = operation.responses[status];
    expect(told, `${operationId}: the document says nothing of ${status}`).toBeDefined();
    const media = Object.keys(told.content).find((one) => type.startsWith(one.split(';')[0] ?? ''));
    expect(media, `${operationId} ${status}: ${type}`).toBeDefined();
    if (type.startsWith('application/problem+json')) {
      const { code } = body as { readonly code: string };
      expect(told.description.split(', '), `${operationId}: ${code}`).toContain(code);
    }
    if (!IS_JSON.test(type)) return;
    const validate = this.#validator(`${operationId} ${status}`, told.content[media ?? ''].schema);
    expect(validate(body) ? [] : validate.errors, `${operationId} ${status}`).toEqual([]);
  }

  #operationOf(method: string, path: string) {
    const { paths } = this.#document;
    const known = Object.keys(paths).find((each) => {
      const pattern = each.replaceAll(/\{\w+\}/g, '[^/]+');
      return new RegExp(`^${pattern}$`).test(path);
    });
    return known === undefined ? undefined : paths[known][method.toLowerCase()];
  }

  #validator(name: string, schema: object): ValidateFunction {
    const known = this.#checks.get(name);
    if (known !== undefined) return known;
    const made = this.#ajv.compile({ ...schema, components: this.#document.components });
    this.#checks.set(name, made);
    return made;
  }
}

/** A path with names in place of its parameters. */
export function pathOf({ path }: Endpoint, names: Readonly<Record<string, string>>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name] ?? ''));
}
