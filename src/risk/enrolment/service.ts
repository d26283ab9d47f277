/**
 * The enrolment service: from bodies to outcomes. It knows nothing of HTTP, and neither tokens nor secrets leave it by a
 * log line or a refusal.
 */
import { base64 } from '../../base/bytes.ts';
import { type Clock, wallText } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { accept, type Result } from '../../base/result.ts';
import { formatVkey } from '../../evidence/log/note.ts';
import { type EnrolmentRecord, recordHash, recordPayload, type TpmFacts } from '../../evidence/wire/enrolment.ts';
import { type Envelope, formatEnvelope, parseEnvelope } from '../../evidence/wire/envelope.ts';
import { parseSuccessor } from '../../evidence/wire/successor.ts';
import { checkTpmAnswer, provesPossession } from './answers.ts';
import { Attempts } from './attempts.ts';
import { type BeginRules, type Begun, checkRequest, claimsOf } from './begin.ts';
import { Challenges, type OpenChallenge } from './challenges.ts';
import type { EkTrust } from './ek.ts';
import { ALARMS, DOUBTS, type Doubt, type EventOf, type GatewayEvent } from './events.ts';
import { extendGateway, readGateway } from './gateway-book.ts';
import { classRank, type GatewayState, holdsStatement, newestRecord } from './history.ts';
import {
  type Challenge,
  type EnrolAnswer,
  isChallengeId,
  type Outcome,
  parseAnswer,
  parseRequest,
} from './messages.ts';
import type { Cryptos } from './objects.ts';
import { type EnrolRefusal, refused } from './reasons.ts';
import type { ServiceKey, SignedRecord } from './service-key.ts';
import { type EnrolmentStore, EVENTS_MAX } from './store.ts';
import { checkSuccessor } from './successors.ts';
import { isTokenText, tokenHash } from './tokens.ts';

export interface ServiceRules extends BeginRules {
  /** `all`: a person approves each record. `doubtful`: only those that contradict what is known. */
  readonly approve: 'all' | 'doubtful';
  readonly challengeLifeMs: number;
  readonly challengesMax: number;
  /** SubjectPublicKeyInfo of an X25519 key, base64: boxes must seal their authorisations to it. */
  readonly escrowKey?: string;
}

export interface ServiceParts {
  readonly cryptos: Cryptos;
  readonly rules: ServiceRules;
  /** Asked each time: the files behind it may have changed. */
  readonly trust: () => EkTrust;
  readonly store: EnrolmentStore;
  readonly key: ServiceKey;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Answered<T> = Promise<Result<T, EnrolRefusal>>;

export interface SuccessorOutcome {
  readonly v: 1;
  /** `contested`: another log is stated to follow the same one; a person decides. */
  readonly state: 'taken' | 'contested';
}

const ATTEMPTS_MAX = 10;
/** Kept free for what people decide: whoever stole a log key can state successors without end, and must still be revoked. */
const FOR_PEOPLE = 1_000;

export class EnrolmentService {
  readonly #parts: ServiceParts;
  readonly #challenges: Challenges;
  readonly #attempts = new Attempts(ATTEMPTS_MAX);

  constructor(parts: ServiceParts) {
    this.#parts = parts;
    const { challengeLifeMs, challengesMax } = parts.rules;
    this.#challenges = new Challenges(parts.clock, { lifeMs: challengeLifeMs, max: challengesMax });
  }

  async begin(token: string | undefined, body: Uint8Array): Answered<Challenge> {
    const { cryptos, trust, rules, store, clock, logger } = this.#parts;
    if (token === undefined) return refused('token_missing');
    if (!isTokenText(token)) return refused('token_wrong');
    const hash = tokenHash(token);
    const row = await store.token(hash);
    if (row === undefined) return refused('token_wrong');
    if (clock.wallMs() >= row.expiresMs) return refused('token_expired');
    if (!this.#attempts.allow(hash)) return refused('too_many_attempts');
    const request = parseRequest(body);
    if (!request.ok) return request;
    const { gateway, log } = request.value;
    if (gateway !== row.gateway) return refused('token_gateway');
    const state = await readGateway(store, gateway);
    if (state.usedTokens.has(hash)) return refused('token_used');
    if (state.logs.has(log.name)) return refused('log_known');
    const begun = checkRequest(cryptos, trust(), rules, request.value, clock.wallMs());
    if (!begun.ok) {
      logger.warn({ gateway, reason: begun.reason }, 'an enrolment was refused');
      return begun;
    }
    const id = this.#challenges.newId();
    const { tpm, statement } = begun.value;
    const challenge: OpenChallenge = {
      id,
      gateway,
      log,
      tokenHash: hash,
      request: body,
      statement,
      ...(tpm !== undefined && { tpm }),
    };
    if (!this.#challenges.open(challenge)) return refused('busy');
    return accept(this.#challengeBody(id, begun.value));
  }

  #challengeBody(id: string, begun: Begun): Challenge {
    const { rules, clock } = this.#parts;
    return {
      v: 1,
      id,
      nonce: begun.nonce,
      expires: wallText(clock.wallMs() + this.#challenges.lifeMs),
      ...(begun.credential !== undefined && { credential: begun.credential }),
      ...(begun.tpm !== undefined && rules.escrowKey !== undefined && { escrow_key: rules.escrowKey }),
    };
  }

  async answer(gateway: string, id: string, body: Uint8Array): Answered<Outcome> {
    const { logger } = this.#parts;
    const answer = parseAnswer(body);
    if (!answer.ok) return answer;
    const challenge = this.#challenges.take(gateway, id);
    if (!challenge.ok) return challenge;
    try {
      const facts = this.#check(challenge.value, answer.value);
      const outcome = facts.ok ? await this.#settle(challenge.value, body, answer.value, facts.value) : facts;
      if (!outcome.ok) logger.warn({ gateway, challenge: id, reason: outcome.reason }, 'an enrolment was refused');
      return outcome;
    } finally {
      this.#challenges.wipe(id);
    }
  }

  #check(challenge: OpenChallenge, answer: EnrolAnswer): Result<TpmFacts | undefined, EnrolRefusal> {
    const { cryptos, rules, trust } = this.#parts;
    const { tpm, statement } = challenge;
    if ((tpm === undefined) !== (answer.tpm === undefined)) return refused('body');
    const needsEscrow = tpm !== undefined && rules.escrowKey !== undefined;
    if (needsEscrow !== (answer.escrow !== undefined)) return refused('escrow');
    if (!provesPossession(cryptos.evidence, challenge.log, statement, answer.possession)) return refused('possession');
    if (tpm === undefined || answer.tpm === undefined) return accept(undefined);
    return checkTpmAnswer(cryptos.evidence, trust().denyList, tpm, statement, answer.tpm);
  }

  async #settle(
    challenge: OpenChallenge,
    body: Uint8Array,
    answer: EnrolAnswer,
    facts: TpmFacts | undefined,
  ): Answered<Outcome> {
    const { cryptos, store, clock, logger, key, rules } = this.#parts;
    const { gateway, id, tokenHash: token } = challenge;
    const foreign = new Set<Doubt>();
    for (const { kind, id: claimed, doubt } of claimsOf(cryptos, challenge.log, challenge.tpm)) {
      if ((await store.claim(kind, claimed, gateway)) !== gateway) foreign.add(doubt);
    }
    const at = wallText(clock.wallMs());
    const exchange = {
      challenge: id,
      token,
      request: base64(challenge.request),
      answer: base64(body),
      ...(answer.escrow !== undefined && { escrow: base64(answer.escrow) }),
    };
    return extendGateway<Result<Outcome, EnrolRefusal>>(store, gateway, (state) => {
      if (state.usedTokens.has(token)) return { instead: refused('token_used') };
      if (state.logs.has(challenge.log.name)) return { instead: refused('log_known') };
      const record = this.#record(challenge, facts, state, at);
      const doubts = [
        ...(rules.approve === 'all' ? (['approval'] as const) : []),
        ...foreign,
        ...doubtsOf(state, record),
      ];
      if (doubts.length === 0) {
        const signed = key.signRecord(record);
        logger.info({ gateway, log: challenge.log.name, class: record.class }, 'a gateway was enrolled');
        return { event: { kind: 'enrolled', at, ...signed, ...exchange }, result: accept(outcomeOf(signed)) };
      }
      const alarm = doubts.some((doubt) => doubt !== 'approval') ? { alarm: 'doubtful_enrolment' } : {};
      const why = doubts.map((doubt) => DOUBTS[doubt]);
      logger.error({ gateway, log: challenge.log.name, ...alarm, why }, ALARMS.doubtful_enrolment);
      const event: GatewayEvent = { kind: 'pending', at, doubts, draft: base64(recordPayload(record)), ...exchange };
      return { event, result: accept({ v: 1, state: 'pending' }) };
    });
  }

  #record(challenge: OpenChallenge, tpm: TpmFacts | undefined, state: GatewayState, issued: string): EnrolmentRecord {
    const previous = newestRecord(state);
    return {
      gateway: challenge.gateway,
      log: challenge.log,
      class: challenge.tpm?.ek.class ?? 'software',
      issued,
      challenge: challenge.id,
      ...(previous !== undefined && { previous: recordHash(this.#parts.cryptos.evidence, previous.envelope.payload) }),
      ...(tpm !== undefined && { tpm }),
    };
  }

  /** For a box that lost the answer to its answer, or waits for a person. The id is known to that box alone. */
  async outcome(gateway: string, id: string): Answered<Outcome> {
    if (!/^[a-z0-9-]{1,64}$/.test(gateway) || !isChallengeId(id)) return refused('challenge_unknown');
    const state = await readGateway(this.#parts.store, gateway);
    const found = state.records.find(({ record }) => record.challenge === id);
    if (found !== undefined) return accept(outcomeOf({ record: found.envelope, summary: found.summary }));
    if (state.pending.has(id)) return accept({ v: 1, state: 'pending' });
    return state.declined.has(id) ? accept({ v: 1, state: 'refused' }) : refused('challenge_unknown');
  }

  /** A statement needs no token: its signature says whose it is. */
  async successor(body: Uint8Array): Answered<SuccessorOutcome> {
    const { cryptos, store, clock, logger } = this.#parts;
    const envelope = parseEnvelope(body);
    const claimed = envelope.ok ? parseSuccessor(envelope.value) : envelope;
    if (!envelope.ok || !claimed.ok) return refused('successor');
    const { gateway, old: oldName } = claimed.value;
    const outcome = await extendGateway<Result<SuccessorOutcome, EnrolRefusal>>(store, gateway, (state) => {
      const old = state.logs.get(oldName);
      if (old === undefined) return { instead: refused('successor_unknown') };
      const checked = checkSuccessor(cryptos, envelope.value, old);
      if (!checked.ok) return { instead: checked };
      if (old.revoked !== undefined) return { instead: refused('successor_revoked') };
      const { successor } = checked.value.statement;
      const known = state.logs.get(successor.name);
      if (known !== undefined && known.old !== oldName) return { instead: refused('successor') };
      const others = [...state.logs.values()].filter((log) => log.old === oldName && log.vkey.name !== successor.name);
      // Where a person chose this one, the others contest nothing any more.
      const isOpen = others.length > 0 && known?.isContested !== false;
      const result = accept({ v: 1, state: isOpen ? 'contested' : 'taken' } as const);
      if (holdsStatement(state, envelope.value) || (known?.statements.length ?? 0) >= 2) return { instead: result };
      if (state.size >= EVENTS_MAX - FOR_PEOPLE) return { instead: refused('history_full') };
      const event: EventOf<'successor'> = {
        kind: 'successor',
        at: wallText(clock.wallMs()),
        envelope: envelope.value,
        old: oldName,
        vkey: formatVkey(successor),
        signed: checked.value.signed,
      };
      return { event, result };
    });
    if (outcome.ok && outcome.value.state === 'contested') {
      logger.error({ gateway, log: oldName, alarm: 'second_successor' }, ALARMS.second_successor);
    }
    return outcome;
  }
}

export function outcomeOf({ record, summary }: SignedRecord): Outcome {
  return { v: 1, state: 'enrolled', record, summary };
}

function doubtsOf(state: GatewayState, record: EnrolmentRecord): readonly Doubt[] {
  const doubts: Doubt[] = [];
  const known = state.records.map((each) => each.record);
  const newestAk = known.map(({ tpm }) => tpm?.ak).findLast((ak) => ak !== undefined);
  if (record.tpm !== undefined && newestAk !== undefined && newestAk !== record.tpm.ak) doubts.push('ak_differs');
  const newest = known.at(-1);
  if (newest !== undefined && classRank(record.class) < classRank(newest.class)) doubts.push('class_lower');
  return doubts;
}

/** A body as it is sent: envelopes in their one spelling. */
export function bodyText(body: Challenge | Outcome | SuccessorOutcome): string {
  const members = Object.entries(body).map(([name, value]: [string, unknown]) =>
    isEnvelope(value) ? [name, JSON.parse(formatEnvelope(value)) as unknown] : [name, value],
  );
  return `${JSON.stringify(Object.fromEntries(members))}\n`;
}

function isEnvelope(value: unknown): value is Envelope {
  return typeof value === 'object' && value !== null && 'payloadType' in value;
}
