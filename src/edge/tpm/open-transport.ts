/** Transports by address, as a configuration names them. */
import type { Scheduler } from '../../base/clock.ts';
import { deviceOpener } from './device-line.ts';
import { LineTransport } from './line-transport.ts';
import { socketOpener } from './socket-line.ts';
import type { TpmTransport } from './transport.ts';

export type TpmAddress =
  | { readonly kind: 'device'; readonly path: string }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** Nothing is opened before the first command. */
export function openTransport(address: TpmAddress, scheduler: Scheduler): TpmTransport {
  switch (address.kind) {
    case 'device':
      return new LineTransport(deviceOpener(address.path), scheduler);
    case 'unix':
      return new LineTransport(socketOpener({ path: address.path }), scheduler);
    case 'tcp':
      return new LineTransport(socketOpener({ host: address.host, port: address.port }), scheduler);
  }
}
