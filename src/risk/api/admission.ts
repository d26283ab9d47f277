/**
 * Who may ask. What somebody else sends never delays a token or a secret that is right: right ones are looked for first,
 * and only the wrong ones of an address, which behind a proxy is many people's, are counted against it.
 *
 * A refused token costs a look at what it says of itself, and only one that names a key of ours the check of a signature.
 * Such checks are free for an address with few refusals; all other addresses share so many a minute, so that forgeries
 * cost no more processor time than that. Tokens that were found sound, or were made here, need none.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { RateLimit } from '../../platform/http/rate-limit.ts';
import type { Answer, Endpoint, Origin, TokenForm } from './endpoint.ts';
import { refusal } from './endpoint.ts';
import { makeGrant } from './grant.ts';
import { type Problem, problem } from './problems.ts';
import type { ApiSettings } from './settings.ts';
import type { TokenKeys } from './token-keys.ts';
import { type Identity, TokenCheck } from './tokens.ts';

/** Of a fifth of a millisecond each: a twenty-fifth of a core. */
const SUSPECT_CHECKS_PER_MINUTE = 12_000;
const SUSPECT_CHECKS_AT_ONCE = 200;
const MINUTE_S = 60;
const TOGETHER = 'together';
const REFUSED_SECRETS = 'refused secrets';

export type Admitted =
  | { readonly ok: true; readonly identity?: Identity }
  | { readonly ok: false; readonly identity?: Identity; readonly problem: Problem };

export interface AdmissionParts {
  readonly settings: ApiSettings;
  readonly tokenKeys: TokenKeys;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Admission {
  readonly #check: TokenCheck;
  readonly #grant: ReturnType<typeof makeGrant>;
  readonly #logger: Logger;
  readonly #subjects: RateLimit;
  /** Refused tokens by address, and refused secrets by address and by client. */
  readonly #refusedTokens: RateLimit;
  readonly #refusedSecrets: RateLimit;
  readonly #refusedClients: RateLimit;
  readonly #suspects: RateLimit;
  readonly #known: ReadonlySet<string>;

  constructor({ settings, tokenKeys, clock, logger }: AdmissionParts) {
    this.#check = new TokenCheck(tokenKeys, clock, new Map(settings.clients.map(({ id, roles }) => [id, roles])));
    this.#grant = makeGrant(settings, tokenKeys, clock);
    this.#logger = logger;
    this.#subjects = new RateLimit(clock, settings.subject_requests_per_minute);
    this.#refusedTokens = new RateLimit(clock, settings.failed_logins_per_minute);
    this.#refusedSecrets = new RateLimit(clock, settings.failed_logins_per_minute);
    this.#refusedClients = new RateLimit(clock, settings.failed_logins_per_minute);
    this.#suspects = new RateLimit(clock, SUSPECT_CHECKS_PER_MINUTE, SUSPECT_CHECKS_AT_ONCE);
    this.#known = new Set(settings.clients.map(({ id }) => id));
  }

  /** Before a byte of the body is read. */
  async admit({ access, body }: Endpoint, authorization: string, origin: Origin): Promise<Admitted> {
    if (access === 'public') {
      // What has a body is asked with a secret, which may be right.
      return origin.isOver && body === undefined ? no(tooMany('of this address')) : { ok: true };
    }
    const token = /^Bearer +([A-Za-z0-9._-]+)$/i.exec(authorization)?.[1];
    if (token === undefined) {
      return no(problem('unauthenticated', 'send "Authorization: Bearer TOKEN"; POST /v1/tokens gives one'));
    }
    const checked = await this.#check.check(token, () => this.#mayCheck(origin));
    if (!checked.ok) {
      const { reason } = checked;
      if (reason === 'unchecked') return no(problem('too_many_requests', checked.detail, { retryAfterS: 1 }));
      this.#refusedTokens.allow(origin.address);
      return no(problem(reason, checked.detail));
    }
    const identity = checked.value;
    if (!this.#subjects.allow(identity.subject)) return { ok: false, identity, problem: tooMany('of this subject') };
    if (access.includes(identity.role)) return { ok: true, identity };
    const detail = `this needs the role ${access.join(' or ')}; the token has ${identity.role}`;
    return { ok: false, identity, problem: problem('forbidden', detail) };
  }

  /** `POST /v1/tokens`. */
  grant(authorization: string, form: TokenForm, { address }: Origin): Answer {
    const { answer, client, minted } = this.#grant(authorization, form);
    if (answer.kind === 'problem' && answer.problem.code === 'client_refused') {
      return this.#refuseSecret(answer, address, client);
    }
    if (client !== undefined && !this.#subjects.allow(client)) return refusal(tooMany('of this subject'));
    if (minted !== undefined) this.#check.remember(minted.token, minted.identity, minted.expMs);
    return answer;
  }

  #mayCheck({ address, isOver }: Origin): boolean {
    return (!isOver && this.#refusedTokens.hasRoom(address)) || this.#suspects.allow(TOGETHER);
  }

  /** Whoever guesses waits; secrets are too long to be guessed, so a right one is never kept waiting for it. */
  #refuseSecret(answer: Answer, address: string, client: string | undefined): Answer {
    const byAddress = this.#refusedSecrets.allow(address);
    const hadRoom = client === undefined || this.#refusedClients.hasRoom(client);
    const byClient = client === undefined || this.#refusedClients.allow(client);
    if (client !== undefined && hadRoom && !this.#refusedClients.hasRoom(client) && this.#known.has(client)) {
      this.#logger.warn({ subject: client }, 'somebody sends many wrong secrets for a client');
    }
    return byAddress && byClient ? answer : refusal(tooMany(REFUSED_SECRETS));
  }
}

export function tooMany(what: string): Problem {
  return problem('too_many_requests', `too many requests: ${what}; wait a minute`, { retryAfterS: MINUTE_S });
}

function no(found: Problem): { readonly ok: false; readonly problem: Problem } {
  return { ok: false, problem: found };
}
