/** The enrolment service as a box meets it: its answers read and bounded, its refusals in words (FORMAT.md section 7). */
import { z } from 'zod';
import { unbase64, utf8, utf8Text } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { type Envelope, envelopeOf } from '../../evidence/wire/envelope.ts';
import { askHttp, type HttpAnswer, type HttpService } from '../../platform/http/client.ts';

export interface ServiceChallenge {
  readonly id: string;
  /** 32 bytes, base64url. */
  readonly nonce: string;
  readonly credential?: { readonly idObject: Uint8Array; readonly encryptedSecret: Uint8Array };
  /** SubjectPublicKeyInfo of the key to which authorisations are sealed. */
  readonly escrowKey?: Uint8Array;
}

export type ServiceOutcome =
  | { readonly state: 'enrolled'; readonly record: Envelope }
  | { readonly state: 'pending' }
  /** `unknown`: the answer never arrived. */
  | { readonly state: 'refused' }
  | { readonly state: 'unknown' };

/** Too many requests; unavailable. */
const BUSY_STATUS = [429, 503];

const bytesOf = (sizeMax: number) =>
  z.string().transform((text, context) => {
    const found = unbase64(text);
    if (found !== undefined && found.length > 0 && found.length <= sizeMax) return found;
    context.addIssue({ code: 'custom', message: 'expected base64' });
    return z.NEVER;
  });

const id = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
const challengeSchema = z.object({
  v: z.literal(1),
  id,
  nonce: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  credential: z.object({ id_object: bytesOf(1_024), encrypted_secret: bytesOf(1_024) }).optional(),
  escrow_key: bytesOf(256).optional(),
});
const outcomeSchema = z.object({
  v: z.literal(1),
  state: z.enum(['enrolled', 'pending', 'refused']),
  record: z.unknown().optional(),
});
const refusalSchema = z.object({
  error: z.object({ reason: z.string().regex(/^[a-z_]{1,64}$/), detail: z.string().max(400) }),
});

export class EnrolmentClient {
  readonly #service: HttpService;

  constructor(service: HttpService) {
    this.#service = service;
  }

  /** Rejects with ENROLMENT_REFUSED, and like `askHttp`. The token stands in no error, whatever the service says. */
  async begin(token: string, request: object, signal: AbortSignal): Promise<ServiceChallenge> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const question = { method: 'POST', path: '/v1/enrolments', headers, body: jsonOf(request), signal } as const;
    const answer = await askHttp(this.#service, question);
    if (answer.status !== 200) throw refusal(answer, token);
    const { id: challenge, nonce, credential, escrow_key: escrowKey } = read(answer, challengeSchema, 'a challenge');
    return {
      id: challenge,
      nonce,
      ...(credential && {
        credential: { idObject: credential.id_object, encryptedSecret: credential.encrypted_secret },
      }),
      ...(escrowKey && { escrowKey }),
    };
  }

  async answer(gateway: string, challenge: string, body: object, signal: AbortSignal): Promise<ServiceOutcome> {
    const headers = { 'content-type': 'application/json' };
    const path = `/v1/enrolments/${gateway}/${challenge}`;
    const answer = await askHttp(this.#service, { method: 'POST', path, headers, body: jsonOf(body), signal });
    if (answer.status !== 200 && answer.status !== 202) throw refusal(answer);
    return outcomeOf(answer);
  }

  /** What came of an answer that was sent before. `unknown`: it never arrived. */
  async outcome(gateway: string, challenge: string, signal: AbortSignal): Promise<ServiceOutcome> {
    const path = `/v1/enrolments/${gateway}/${challenge}`;
    const answer = await askHttp(this.#service, { method: 'GET', path, signal });
    if (answer.status === 404 && reasonOf(answer)?.reason === 'challenge_unknown') return { state: 'unknown' };
    if (answer.status !== 200 && answer.status !== 202) throw refusal(answer);
    return outcomeOf(answer);
  }

  /**
   * A successor statement. True when the service has taken it, false when another one contradicts it. Rejects with
   * SERVICE_UNREACHABLE, too, while the service has no time.
   */
  async successor(statement: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const headers = { 'content-type': 'application/json' };
    const question = { method: 'POST', path: '/v1/successors', headers, body: statement, signal } as const;
    const answer = await askHttp(this.#service, question);
    if (answer.status === 200 || answer.status === 202) return answer.status === 200;
    const refused = refusal(answer);
    if (!BUSY_STATUS.includes(answer.status)) throw refused;
    throw new LatchkeyError('SERVICE_UNREACHABLE', refused.message);
  }
}

function jsonOf(value: object): Uint8Array {
  return utf8(JSON.stringify(value));
}

function outcomeOf(answer: HttpAnswer): ServiceOutcome {
  const { state, record } = read(answer, outcomeSchema, 'an outcome');
  if (state !== 'enrolled') return { state };
  const envelope = envelopeOf(record);
  if (envelope === undefined) throw strange('an enrolment without a record');
  return { state, record: envelope };
}

function read<T>(answer: HttpAnswer, schema: z.ZodType<T>, what: string): T {
  const parsed = schema.safeParse(parsedJson(answer));
  if (parsed.success) return parsed.data;
  throw strange(`what is not ${what}`);
}

function parsedJson({ body }: HttpAnswer): unknown {
  try {
    return JSON.parse(utf8Text(body) ?? '');
  } catch {
    return undefined;
  }
}

function strange(found: string): LatchkeyError {
  return new LatchkeyError('ENROLMENT_REFUSED', `expected the enrolment service's answer; found ${found}: is it one?`);
}

function reasonOf(answer: HttpAnswer): { readonly reason: string; readonly detail: string } | undefined {
  const parsed = refusalSchema.safeParse(parsedJson(answer));
  return parsed.success ? parsed.data.error : undefined;
}

/** Who can do something about it, by how a reason begins. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^token_|^too_many_attempts$/, 'ask whoever runs the service for a new token of this gateway'],
  [/^challenge_/, 'begin again with a new token'],
  [/^too_many_requests$|^busy$|^unavailable$/, 'wait a minute and try again'],
  [/^certificate_(revoked|denied)$/, 'this TPM cannot be enrolled any more: its vendor or the service withdrew it'],
  [/^chain_|^certificate/, 'the service must know and believe the vendor of this TPM (ek_roots)'],
  [/^crl_/, "whoever runs the service must fetch the vendor's revocation list (crls)"],
  [/^class_not_allowed$/, 'the service takes no TPM, or no keys, of this kind (classes)'],
  [/^log_known$/, 'this log has its record; to have another, rotate the log first ("latchkey journal rotate")'],
  [/^log$/, 'check gateway.id and gateway.operator_domain against the operator_domains of the service'],
  [/^ek_|^secret$/, "the endorsement key is not this TPM's own: suspect the path to the TPM"],
  [/^firmware_denied$/, "update the TPM's firmware"],
];

/** The service's words are those of a stranger until its record is verified: bounded, printable, without the token. */
function refusal(answer: HttpAnswer, token = ''): LatchkeyError {
  const found = reasonOf(answer);
  if (found === undefined) return strange(`status ${answer.status} without a reason`);
  const said = found.detail.replace(/[^ -~]/g, '?').slice(0, 200);
  const detail = token !== '' && said.includes(token) ? 'its words are not repeated' : said;
  const advice = ADVICE.find(([reason]) => reason.test(found.reason))?.[1];
  const hint = advice === undefined ? '' : `; ${advice}`;
  return new LatchkeyError('ENROLMENT_REFUSED', `the enrolment service refuses (${found.reason}): ${detail}${hint}`);
}
