/**
 * The verbs `grant` and `revoke`: credentials as a service sends them ahead, sealed to this box.
 */

import { unbase64url, utf8Text } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { SecretText } from '../../base/secret-text.ts';
import { timeOf } from '../../base/wall-time.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import type { Field } from '../../evidence/event/field.ts';
import { type GrantArgs, grantContext, grantField, revokeField, spanRefusal } from '../../evidence/wire/access-args.ts';
import { openSealed } from '../../platform/sealed-box.ts';
import type { VerbAnswer, Verbs } from '../contracts/verb.ts';
import type { AccessStore } from './access-store.ts';
import type { BoxSecret } from './box-secret.ts';
import type { AccessSettings } from './settings.ts';
import type { CodeVerifier } from './verifier.ts';

const CODE = /^[A-Za-z0-9_-]{4,128}$/;

export interface GrantParts {
  readonly gateway: string;
  readonly secret: BoxSecret;
  readonly store: AccessStore;
  readonly verifier: CodeVerifier;
  readonly settings: Pick<AccessSettings, 'code_length_min'>;
  /** Names of the compartments of this gateway. */
  readonly compartments: ReadonlySet<string>;
}

export function grantVerbs(parts: GrantParts): Verbs {
  return {
    grant: {
      check: checkBy(grantField, 'credential, sealed, actor, uses and lives_s'),
      run: async ({ args }) => grant(parts, args as unknown as GrantArgs),
    },
    revoke: {
      check: checkBy(revokeField, 'the id of a credential'),
      run: async ({ args }) => {
        const answer = parts.store.revoke(String(args['credential']));
        return { outcome: answer === 'store_full' ? 'refused' : 'executed', result: answer, data: room(parts) };
      },
    },
  };
}

/** Whether arguments are of that form; what they hold is never said. */
export function checkBy(field: Field, expected: string): (args: JsonObject) => Result<JsonObject, 'args'> {
  return (args) => (field.fits(args) ? accept(args) : refuse('args', `expected ${expected}, as FORMAT.md has them`));
}

async function grant(parts: GrantParts, args: GrantArgs): Promise<VerbAnswer> {
  const { compartments = [], credential: id, from, until, lives_s: livesS } = args;
  if (compartments.some((name) => !parts.compartments.has(name))) return refused('unknown_compartment');
  const span = spanRefusal(args, parts.store.moment().wallMs);
  if (span !== undefined) return refused(span);
  const code = codeIn(parts, args);
  if (code === undefined) return refused('not_sealed_for_this_box');
  if (!CODE.test(code.reveal())) return refused('code_form');
  if (code.reveal().length < parts.settings.code_length_min) return refused('code_too_short');
  const digest = await parts.verifier.of(code);
  const { runMs } = parts.store.moment();
  const answer = parts.store.grant(
    {
      id,
      actor: args.actor,
      compartments,
      usesMax: args.uses,
      uses: 0,
      endsAtRunMs: runMs + livesS * 1_000,
      fromWallMs: from === undefined ? undefined : timeOf(from),
      untilWallMs: until === undefined ? undefined : timeOf(until),
      isRevoked: false,
    },
    digest,
  );
  return answer === undefined
    ? { outcome: 'executed', result: 'granted', data: room(parts) }
    : { ...refused(answer), data: room(parts) };
}

function codeIn({ gateway, secret }: GrantParts, { credential, sealed }: GrantArgs): SecretText | undefined {
  const box = unbase64url(sealed);
  const bytes = box && openSealed(secret.privateKey, grantContext(gateway, credential), box);
  const text = bytes && utf8Text(bytes);
  bytes?.fill(0);
  return text === undefined ? undefined : new SecretText(text);
}

function refused(result: string): VerbAnswer {
  return { outcome: 'refused', result };
}

function room({ store }: GrantParts): JsonObject {
  const { credentials, live } = store.counts();
  return { credentials, live };
}
