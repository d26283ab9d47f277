/** What a person has the gateway do. The daemon decides; this checks that the request is one, and whose. */
import { z } from 'zod';
import { NAME_PATTERN } from '../../../evidence/event/event-fields.ts';
import type { ActRequest } from '../../contracts/console-view.ts';
import { ACT_ROLES } from '../roles.ts';
import { problem } from './problems.ts';
import { type Answer, json, refusal, type Service, type SessionCall, ticketOf } from './service.ts';

/** As many as one window takes; of all of them the list is empty. */
const COMPARTMENTS_MAX = 16;
const MINUTES_MAX = 24 * 60;

const name = z.string().regex(new RegExp(`^${NAME_PATTERN}$`));
const actBody = z.union([
  z.strictObject({ verb: z.literal('open'), compartment: name }),
  z.strictObject({ verb: z.enum(['stop_pick', 'resume', 'recount']) }),
  z.strictObject({
    verb: z.literal('maintain'),
    compartments: z.array(name).max(COMPARTMENTS_MAX),
    minutes: z.int().min(1).max(MINUTES_MAX),
  }),
  z.strictObject({ verb: z.literal('end_maintenance'), id: z.string().min(1).max(64) }),
]);

export async function act(call: SessionCall, service: Service): Promise<Answer> {
  const { session, request } = call;
  const asked: ActRequest | undefined = actBody.safeParse(call.body).data;
  if (asked === undefined) return refusal(problem('malformed', 'expected an act, as console-view.ts has them'));
  if (!ACT_ROLES[asked.verb].includes(session.value.role)) return refusal(problem('role'));
  const ticket = ticketOf(service, session);
  if (ticket === undefined) return refusal(problem('second_factor'));
  // Not the request's signal: whoever closes the page while a door opens has asked for it all the same.
  const never = new AbortController().signal;
  const answer = await service.acts.pass(request.signal, async () =>
    // It may have waited for its turn, and its person signed out meanwhile.
    service.sessions.expiresInMs(session) > 0
      ? service.daemon.act({ person: session.person, ticket }, asked, never)
      : 'ended',
  );
  if (answer === 'busy') return refusal(problem('busy'));
  if (answer === 'ended') return refusal(problem('unauthenticated'));
  if (answer.result === 'refused' && answer.reason === 'second_factor') {
    session.value.ticket = undefined;
    return refusal(problem('second_factor'));
  }
  return json(answer);
}
