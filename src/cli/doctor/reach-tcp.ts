/** Whether a TCP port answers, within a time, and what to do when it does not. */
import { connect } from 'node:net';
import { within } from '../../base/abort.ts';
import { accept, type Result, refuse } from '../../base/result.ts';

export type ReachReason = 'refused' | 'name' | 'silent' | 'network';

const REASONS: Readonly<Record<string, ReachReason>> = {
  ECONNREFUSED: 'refused',
  ENOTFOUND: 'name',
  EAI_AGAIN: 'name',
  ETIMEDOUT: 'silent',
};

export function reachTcp(
  { host, port }: { readonly host: string; readonly port: number },
  limitMs: number,
  signal: AbortSignal,
): Promise<Result<true, ReachReason>> {
  return new Promise((resolve) => {
    const limit = within(limitMs, signal);
    const socket = connect({ host, port, noDelay: true });
    const end = (result: Result<true, ReachReason>): void => {
      limit.removeEventListener('abort', abort);
      socket.destroy();
      resolve(result);
    };
    const abort = (): void => end(refuse('silent', `no answer in ${limitMs} ms`));
    socket.once('connect', () => end(accept(true)));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      end(refuse(REASONS[error.code ?? ''] ?? 'network', error.message === '' ? (error.code ?? '') : error.message));
    });
    if (limit.aborted) abort();
    else limit.addEventListener('abort', abort, { once: true });
  });
}

export function describeReach(reason: ReachReason, whom: string): string {
  switch (reason) {
    case 'refused':
      return `nobody listens on that port: check the address in the settings, and that ${whom} runs`;
    case 'name':
      return `check the name in the settings, and the name server of this machine ("getent hosts NAME")`;
    case 'silent':
      return `check the cable, the address and the firewalls between here and ${whom}`;
    case 'network':
      return `check the network of this machine ("ip addr", "ip route"): ${whom} cannot be reached`;
  }
}
