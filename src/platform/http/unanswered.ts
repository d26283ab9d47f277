/** Requests whose connection ends with neither an answer nor an error. */
import type { ClientRequest } from 'node:http';

/**
 * Node closes the connection of a server that switches protocols (101) when nobody asked it to, and says nothing of it:
 * without this, whoever waits for answer, error or deadline waits for ever.
 */
export function onUnanswered(request: ClientRequest, failed: (error: Error) => void): void {
  let answered = false;
  request.once('response', () => {
    answered = true;
  });
  request.once('close', () => {
    if (!answered) failed(new Error('the connection ended without an answer'));
  });
}
