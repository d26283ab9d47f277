/** `POST /v1/tokens`: client credentials for a token (RFC 6749 sections 2.3.1, 4.4 and 5.2). */
import { unbase64, utf8Text } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { ClientBook } from './clients.ts';
import { type Answer, json, refusal, type TokenForm } from './endpoint.ts';
import { problem } from './problems.ts';
import type { ApiSettings } from './settings.ts';
import type { TokenKeys } from './token-keys.ts';
import { type Identity, mintToken } from './tokens.ts';

export interface Granted {
  readonly answer: Answer;
  /** Whose secret was right; with a refused secret, who it was said to be of. */
  readonly client?: string;
  readonly minted?: { readonly token: string; readonly identity: Identity; readonly expMs: number };
}

export type Grant = (authorization: string, form: TokenForm) => Granted;

export function makeGrant(settings: ApiSettings, keys: TokenKeys, clock: Clock): Grant {
  const book = new ClientBook(settings.clients);
  return (authorization, form) => {
    if (form.grant_type !== 'client_credentials') {
      const detail = 'expected grant_type=client_credentials; this service gives no other grant';
      return { answer: refusal(problem('unsupported_grant', detail, { oauthError: 'unsupported_grant_type' })) };
    }
    const given = credentialsOf(authorization, form);
    const roles = given && book.rolesOf(given.id, given.secret);
    if (given === undefined || roles === undefined) {
      const detail = 'expected the id and the secret of a client, once: with HTTP Basic, or in the form';
      const answer = refusal(problem('client_refused', detail, { oauthError: 'invalid_client' }));
      return { answer, ...(given !== undefined && { client: given.id }) };
    }
    const client = given.id;
    const role = form.scope === undefined && roles.length === 1 ? roles[0] : roles.find((one) => one === form.scope);
    if (role === undefined) {
      const detail = `expected scope to be one of: ${roles.join(', ')}`;
      return { answer: refusal(problem('scope_refused', detail, { oauthError: 'invalid_scope' })), client };
    }
    const expires_in = settings.token_minutes * 60;
    const identity = { subject: client, role };
    const nowMs = clock.wallMs();
    const token = mintToken(keys, identity, settings.token_minutes, nowMs, client);
    const answer = json({ access_token: token, token_type: 'Bearer', expires_in, scope: role });
    return { answer, client, minted: { token, identity, expMs: (Math.floor(nowMs / 1_000) + expires_in) * 1_000 } };
  };
}

interface Credentials {
  readonly id: string;
  readonly secret: string;
}

/** Undefined also when they are given twice, which RFC 6749 forbids. */
function credentialsOf(authorization: string, form: TokenForm): Credentials | undefined {
  const { client_id: id, client_secret: secret } = form;
  const basic = /^Basic ([A-Za-z0-9+/=]{1,600})$/i.exec(authorization)?.[1];
  if (basic === undefined) {
    return authorization === '' && id !== undefined && secret !== undefined ? { id, secret } : undefined;
  }
  if (id !== undefined || secret !== undefined) return undefined;
  const bytes = unbase64(basic);
  const [user, password] = splitOnce((bytes && utf8Text(bytes)) ?? '');
  return password === undefined ? undefined : { id: formDecoded(user), secret: formDecoded(password) };
}

function splitOnce(text: string): readonly [string, string | undefined] {
  const at = text.indexOf(':');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** Both are encoded as in a form before they are put together (RFC 6749 section 2.3.1). */
function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return '';
  }
}
