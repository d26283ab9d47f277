/**
 * Commissioning and pairing from the page: a stream of JSON lines for as long as it takes. Who closes it ends the walk.
 */
import { z } from 'zod';
import { LatchkeyError, messageOf } from '../../../base/errors.ts';
import { NAME_PATTERN } from '../../../evidence/event/event-fields.ts';
import type { WalkLine } from '../../contracts/console-view.ts';
import type { Acting } from './daemon.ts';
import { problem } from './problems.ts';
import { type Answer, refusal, type Service, type SessionCall, ticketOf } from './service.ts';

/** Sooner than a connection that says nothing is ended. */
const PING_MAX_MS = 5_000;
const DOORS_MAX = 1_024;
const CODE_CHARS_MAX = 256;

const name = z.string().regex(new RegExp(`^${NAME_PATTERN}$`));
const commissionBody = z.strictObject({ compartments: z.array(name).min(1).max(DOORS_MAX).exactOptional() });
const pairBody = z.strictObject({ device: name, code: z.string().max(CODE_CHARS_MAX).exactOptional() });

type Say = (line: WalkLine) => void;

export async function commission(call: SessionCall, service: Service): Promise<Answer> {
  const asked = commissionBody.safeParse(call.body).data;
  if (asked === undefined) return refusal(problem('malformed', 'expected compartments as a list of names, or none'));
  return walk(call, service, async (acting, say, signal) => {
    const { daemon } = service;
    const doors = asked.compartments ?? (await daemon.notCommissioned(signal));
    const answers: unknown[] = [];
    for (const compartment of doors) {
      const told = (step: unknown): void => say({ step: { compartment, step } });
      const answer = await daemon.walk(acting, 'commission', { compartment }, told, signal);
      say({ step: answer });
      answers.push(answer);
    }
    return { doors: answers.length };
  });
}

export async function pair(call: SessionCall, service: Service): Promise<Answer> {
  const asked = pairBody.safeParse(call.body).data;
  if (asked === undefined) return refusal(problem('malformed', 'expected device as a name, and the code of its label'));
  return walk(call, service, (acting, say, signal) =>
    service.daemon.walk(acting, 'pair', asked, (step) => say({ step }), signal),
  );
}

function walk(
  { session, request }: SessionCall,
  service: Service,
  work: (acting: Acting, say: Say, signal: AbortSignal) => Promise<unknown>,
): Answer {
  const ticket = ticketOf(service, session);
  if (ticket === undefined) return refusal(problem('second_factor'));
  if (service.walks.isFull) return refusal(problem('busy'));
  const gone = new AbortController();
  request.signal.addEventListener('abort', () => gone.abort(), { once: true });
  const acting = { person: session.person, ticket };
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => {
      const encoder = new TextEncoder();
      const put = (text: string): void => {
        if (!gone.signal.aborted) controller.enqueue(encoder.encode(text));
      };
      const say: Say = (line) => put(`${JSON.stringify(line)}\n`);
      const pingMs = Math.min(PING_MAX_MS, service.settings.request_timeout_s * 1_000);
      const ping = setInterval(() => put('\n'), pingMs);
      // Whoever signs out, or whose time is over, is to stop.
      const look = setInterval(() => {
        if (service.sessions.expiresInMs(session) <= 0) gone.abort();
        else service.sessions.touch(session);
      }, 1_000);
      void service.walks
        .pass(gone.signal, () => work(acting, say, gone.signal))
        .then(
          (done) =>
            say(done === 'busy' ? errorLine(new LatchkeyError('TIMED_OUT', 'too many walks at a time')) : { done }),
          (error: unknown) => say(errorLine(error)),
        )
        .finally(() => {
          clearInterval(ping);
          clearInterval(look);
          if (!gone.signal.aborted) controller.close();
          else controller.error(new LatchkeyError('TIMED_OUT', 'the walk was broken off'));
        })
        .catch(() => undefined);
    },
    cancel: () => gone.abort(),
  });
  return { kind: 'stream', type: 'application/x-ndjson', stream };
}

function errorLine(error: unknown): WalkLine {
  const code = error instanceof LatchkeyError ? error.code : 'INTERNAL';
  return { error: { code, message: code === 'INTERNAL' ? 'the log of the daemon says more' : messageOf(error) } };
}
