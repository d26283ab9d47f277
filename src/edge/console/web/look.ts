/** What is only looked at: the journal page by page, and the stream of views and entries. */
import { z } from 'zod';
import { within } from '../../../base/abort.ts';
import { LatchkeyError } from '../../../base/errors.ts';
import { problem } from './problems.ts';
import { type Answer, json, refusal, type Service, type SessionCall } from './service.ts';

const PAGE_MAX = 200;
const PAGE_USUAL = 50;
const LIMIT_MS = 20_000;
const INDEX_MAX = Number.MAX_SAFE_INTEGER;

const digits = z.string().regex(/^[0-9]{1,16}$/);
const queryShape = z.strictObject({
  before: digits.transform(Number).pipe(z.int().max(INDEX_MAX)).exactOptional(),
  limit: digits.transform(Number).pipe(z.int().min(1).max(PAGE_MAX)).default(PAGE_USUAL),
  log: z.string().max(256).exactOptional(),
});

export async function journal({ query, request }: SessionCall, service: Service): Promise<Answer> {
  const asked = queryShape.safeParse(Object.fromEntries(query)).data;
  if (asked === undefined) {
    return refusal(problem('malformed', `expected before (an index), limit (1 to ${PAGE_MAX}) and log (an origin)`));
  }
  const signal = within(LIMIT_MS, request.signal);
  try {
    const page = await service.reads.pass(signal, () => service.daemon.journal(asked, signal));
    return page === 'busy' ? refusal(problem('busy')) : json(page);
  } catch (error) {
    if (error instanceof LatchkeyError && error.code === 'JOURNAL_MISSING') return refusal(problem('unknown_log'));
    throw error;
  }
}

export async function live({ session }: SessionCall, service: Service): Promise<Answer> {
  const stream = service.live.open(session.person, session);
  return stream === undefined ? refusal(problem('busy')) : { kind: 'stream', type: 'text/event-stream', stream };
}
