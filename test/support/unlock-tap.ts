/**
 * Sits on the cable between a gateway and simulated "8A/80" boards and counts what opens doors: frames `8A bb cc 11 xx` that
 * left the gateway, by channel, whatever became of them.
 */
import { startProxy, type TcpProxy } from './tcp-proxy.ts';

const UNLOCK = 0x8a;
const FRAME_BYTES = 5;

export interface UnlockTap {
  readonly port: number;
  /** Channels in the order of their frames. */
  readonly channels: readonly number[];
  /** Connections that stand: what a gateway wrote before it ended is counted once there is none. */
  readonly open: number;
  stop(): Promise<void>;
}

export async function startUnlockTap(address: string): Promise<UnlockTap> {
  const channels: number[] = [];
  const watch = (): ((chunk: Uint8Array) => void) => {
    let rest: number[] = [];
    return (chunk) => {
      rest.push(...chunk);
      for (let at = rest.indexOf(UNLOCK); at >= 0; at = rest.indexOf(UNLOCK)) {
        if (rest.length - at < FRAME_BYTES) break;
        const [a = 0, b = 0, c = 0, d = 0, check] = rest.slice(at, at + FRAME_BYTES);
        const isSound = (a ^ b ^ c ^ d) === check;
        if (isSound) channels.push(c);
        rest = rest.slice(at + (isSound ? FRAME_BYTES : 1));
      }
      rest = rest.slice(-FRAME_BYTES);
    };
  };
  const proxy: TcpProxy = await startProxy(Number(address.split(':')[1]), { watch });
  return {
    port: proxy.port,
    channels,
    get open() {
      return proxy.open;
    },
    stop: () => proxy.stop(),
  };
}
