/** Signing in and out, and the second factor before whatever acts. */
import { z } from 'zod';
import { PASSWORD_CHARS_MAX } from '../../../platform/http/password.ts';
import { cookieOf, setCookie } from '../../../platform/http/sessions.ts';
import { browserCookie } from '../../../platform/http/sign-in-limit.ts';
import { problem } from './problems.ts';
import {
  type Answer,
  BROWSER_COOKIE,
  type Call,
  json,
  refusal,
  SESSION_COOKIE,
  type Service,
  type SessionCall,
  sessionView,
  signedIn,
} from './service.ts';

const BROWSER_COOKIE_S = 180 * 86_400;
const SIGN_IN_PATH = '/api/sign-in';

const signInBody = z.strictObject({ person: z.string().max(64), password: z.string().max(PASSWORD_CHARS_MAX) });
const codeBody = z.strictObject({ code: z.string().regex(/^[0-9]{6}$/) });

export async function signIn({ request, address, body }: Call, service: Service): Promise<Answer> {
  const asked = signInBody.safeParse(body).data;
  if (asked === undefined) return refusal(problem('malformed', 'expected person and password as texts'));
  const cookies = request.headers.get('cookie');
  const { person: name, password } = asked;
  const found = service.people.signIn({ name, password, address, cookie: cookieOf(cookies, BROWSER_COOKIE) });
  if (found.kind === 'too_many') return refusal(problem('too_many_tries'));
  if (found.kind === 'refused') {
    service.logger.warn({}, 'somebody could not sign in at the console');
    return refusal(problem('sign_in_refused'));
  }
  // Never one that was there before: its token may be somebody else's.
  const before = service.sessions.find(cookieOf(cookies, SESSION_COOKIE));
  if (before !== undefined) service.sessions.end(before);
  const { token, session } = service.sessions.begin(found.person.name, signedIn(found.person, found.secret));
  service.logger.info({ person: name, role: found.person.role }, 'somebody signed in at the console');
  const { isSecure, settings } = service;
  return json(sessionView(service, session), [
    setCookie(SESSION_COOKIE, token, { path: '/', maxAgeS: settings.session_s, isSecure }),
    setCookie(BROWSER_COOKIE, browserCookie(name, found.secret), {
      path: SIGN_IN_PATH,
      maxAgeS: BROWSER_COOKIE_S,
      isSecure,
    }),
  ]);
}

export async function session({ session: own }: SessionCall, service: Service): Promise<Answer> {
  return json(sessionView(service, own));
}

export async function signOut({ session: own }: SessionCall, service: Service): Promise<Answer> {
  service.sessions.end(own);
  return json({}, [setCookie(SESSION_COOKIE, '', { path: '/', maxAgeS: 0, isSecure: service.isSecure })]);
}

export async function secondFactor({ session: own, body, request }: SessionCall, service: Service): Promise<Answer> {
  const asked = codeBody.safeParse(body).data;
  if (asked === undefined) return refusal(problem('malformed', 'expected code: the six digits of the authenticator'));
  if (!own.value.hasFactor) return refusal(problem('no_second_factor'));
  const answer = await service.acts.pass(request.signal, () =>
    service.daemon.elevate(own.person, asked.code, request.signal),
  );
  if (answer === 'busy') return refusal(problem('busy'));
  if (answer.kind === 'refused') return refusal(problem(answer.reason === 'locked' ? 'code_locked' : 'code_refused'));
  own.value.ticket = { text: answer.ticket, untilMs: service.clock.monotonicMs() + answer.forS * 1_000 };
  return json(sessionView(service, own));
}
