/**
 * A broker's socket with an oracle at it: clients connect here, and every PUBLISH that one of them ever wrote is seen,
 * whether or not the broker takes it.
 */
import { parser } from 'mqtt-packet';
import { startProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import type { Sighting } from './oracle.ts';

export interface Tap {
  readonly url: string;
  readonly proxy: TcpProxy;
  stop(): Promise<void>;
}

export async function startTap(brokerPort: number, see: (sighting: Sighting) => void): Promise<Tap> {
  const proxy = await startProxy(brokerPort, {
    watch: () => {
      const frames = parser();
      frames.on('packet', (packet) => {
        if (packet.cmd !== 'publish') return;
        see({ topic: packet.topic, payload: Uint8Array.from(Buffer.from(packet.payload)) });
      });
      return (chunk) => void frames.parse(Buffer.from(chunk));
    },
  });
  return { url: `mqtt://127.0.0.1:${proxy.port}`, proxy, stop: () => proxy.stop() };
}
