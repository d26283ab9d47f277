/** What the TypeScript side says of bytes on the wire, in the words in which the C harness says it. */

import { join } from '../../firmware-protocol/codec/bytes.ts';
import { checkBody } from '../../firmware-protocol/codec/check-body.ts';
import { nonceOf, type WireCrypto } from '../../firmware-protocol/codec/crypto.ts';
import { type Frame, FrameReceiver, lineOf, sealedHead } from '../../firmware-protocol/codec/frame.ts';
import { nodeWireCrypto } from '../../src/edge/drivers/latchkey/wire-crypto.ts';

export const FROM_GATEWAY = new Uint8Array(16).fill(0x5a);
export const FROM_DEVICE = new Uint8Array(16).fill(0xa5);

export function verdictOf(bytes: Uint8Array): string {
  return new FrameReceiver()
    .push(bytes)
    .map((received) => `${received.kind === 'frame' ? judge(nodeWireCrypto, received.frame) : received.verdict};`)
    .join('');
}

function judge(crypto: WireCrypto, frame: Frame): string {
  const from = frame.fromDevice ? 'device' : 'gateway';
  const start = `${frame.sealed ? 'sealed' : 'open'} ${from} ${frame.address} `;
  if (!frame.sealed) return `${start}${said(frame, frame.type, frame.body)}`;
  const key = frame.fromDevice ? FROM_DEVICE : FROM_GATEWAY;
  const plain = crypto.open(key, nonceOf(frame.fromDevice, frame.number), frame.head, frame.text, frame.tag);
  if (plain === undefined) return `${start}${frame.number} tag`;
  return `${start}${frame.number} ${said(frame, plain[0] ?? 0, plain.subarray(1))}`;
}

function said(frame: Frame, type: number, body: Uint8Array): string {
  return `${type.toString(16).padStart(2, '0')} ${checkBody(frame.sealed, frame.fromDevice, type, body)}`;
}

export function sealedLine(fromDevice: boolean, address: number, number: number, plain: Uint8Array): Uint8Array {
  const head = sealedHead(fromDevice, address, number);
  const key = fromDevice ? FROM_DEVICE : FROM_GATEWAY;
  return lineOf(join(head, nodeWireCrypto.seal(key, nonceOf(fromDevice, number), head, plain)));
}
