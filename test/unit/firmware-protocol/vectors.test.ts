/**
 * Vectors of the open wire, each checked by a side that did not make it: those of PROTOCOL.md were derived by hand with OpenSSL and zlib,
 * the others were made by one side and are judged by the other. `LATCHKEY_UPDATE=1` writes frames.txt anew.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  deriveKey,
  deviceMac,
  gatewayMac,
  isMeasuredBy,
  nonceOf,
  sessionKeys,
} from '../../../firmware-protocol/codec/crypto.ts';
import { FrameReceiver, lineOf, openContent } from '../../../firmware-protocol/codec/frame.ts';
import { pollBody } from '../../../firmware-protocol/codec/messages.ts';
import { NO_SESSION, sessionStep } from '../../../firmware-protocol/codec/session.ts';
import { SEALED_TYPES } from '../../../firmware-protocol/codec/types.ts';
import { hex } from '../../../src/base/bytes.ts';
import { nodeWireCrypto } from '../../../src/edge/drivers/latchkey/wire-crypto.ts';
import { startHarness } from '../../support/firmware.ts';
import { expectFile } from '../../support/generated.ts';
import { Random } from '../../support/mutate.ts';
import { ADDRESS, BenchDevice, BenchGateway, IDENTITY } from '../../support/wire-bench.ts';
import { mutatedLine, soundLines } from '../../support/wire-mutations.ts';
import { FROM_DEVICE, FROM_GATEWAY, verdictOf } from '../../support/wire-verdict.ts';

const folder = join(import.meta.dirname, '../../../firmware-protocol');
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

describe('PROTOCOL.md', () => {
  const text = readFileSync(join(folder, 'PROTOCOL.md'), 'utf8');
  const block = /<!-- vectors: begin -->\n```\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  const told = new Map(
    block
      .trim()
      .split('\n')
      .map((line): [string, string] => [line.split(/ +/)[0] ?? '', line.split(/ +/).slice(1).join('')]),
  );
  const of = (name: string): Uint8Array => bytes(told.get(name) ?? '');
  const crypto = nodeWireCrypto;

  test('the keys and macs are those that OpenSSL gives', () => {
    expect(told.size).toBe(19);
    const key = of('key');
    expect(hex(deriveKey(crypto, key, 'lkw1 auth'))).toBe(told.get('K_auth'));
    expect(hex(deriveKey(crypto, key, 'lkw1 rnd'))).toBe(told.get('K_rnd'));
    expect(hex(deriveKey(crypto, key, 'lkw1 attest', of('identity')))).toBe(told.get('K_attest'));
    expect(hex(deviceMac(crypto, key, of('T')))).toBe(told.get('mac_d'));
    expect(hex(gatewayMac(crypto, key, of('T'), of('mac_d')))).toBe(told.get('mac_g'));
    const keys = sessionKeys(crypto, key, of('T'));
    expect([keys.fromGateway, keys.fromDevice, keys.id].map(hex)).toEqual(
      ['K_g2d', 'K_d2g', 'session'].map((name) => told.get(name)),
    );
    const report = {
      identity: of('identity'),
      boot: 5,
      nonce: of('nonce'),
      digest: of('digest'),
      mac: of('measured_mac'),
    };
    expect(isMeasuredBy(crypto, key, report)).toBe(true);
  });

  test('the frames are those that this side makes', () => {
    expect(hex(lineOf(openContent(true, ADDRESS, 0x86, new Uint8Array(0))))).toBe(told.get('attention'));
    const random = bytes('a0a1a2a3a4a5a6a7a8a9aaabacadaeaf');
    const peer = { address: ADDRESS, identity: IDENTITY };
    const open = { kind: 'open', key: { number: 0, key: of('key') }, random } as const;
    expect(sessionStep(crypto, peer, NO_SESSION, open).outputs).toEqual([
      { kind: 'send', line: of('hello'), again: false },
    ]);
    const keys = sessionKeys(crypto, of('key'), of('T'));
    const session = { keys, keyNumber: 0, boot: 5, number: 0, tries: 1, triesBefore: 1 };
    const ask = { kind: 'ask', type: SEALED_TYPES.POLL, body: pollBody(0) } as const;
    const { outputs } = sessionStep(crypto, peer, { phase: 'ready', session, last: of('hello') }, ask);
    expect(outputs).toEqual([{ kind: 'send', line: of('poll'), again: false }]);
    const [received] = new FrameReceiver().push(of('poll'));
    const frame = received?.kind === 'frame' && received.frame.sealed ? received.frame : undefined;
    const plain = frame && crypto.open(keys.fromGateway, nonceOf(false, 1), frame.head, frame.text, frame.tag);
    expect(hex(plain ?? new Uint8Array(0))).toBe('1100000000fa');
  });

  test('the device in C hears that HELLO and proves itself under the same derivations', async () => {
    const program = startHarness('vectors');
    const said = JSON.parse(await program.ask('')) as Record<string, string>;
    expect(said['hello']).toBe(told.get('hello'));
    expect(said['mac_d']).toBe(hex(deviceMac(crypto, of('key'), bytes(said['transcript'] ?? ''))));
    // rnd_d: boot 5, first challenge, no randomness.
    const seed = bytes(`0500000001000000${'00'.repeat(16)}`);
    const rnd = hex(crypto.cmac(deriveKey(crypto, of('key'), 'lkw1 rnd'), seed));
    expect(said['transcript']?.slice(-32)).toBe(rnd);
    await program.end();
  });
});

/** `origin verdict hex`: what one side made, with what both say of it. */
async function frames(): Promise<readonly string[]> {
  const random = new Random(77);
  const made = [
    ...soundLines().map((line) => ['ts', line] as const),
    ...Array.from({ length: 80 }, () => ['ts', mutatedLine(random)] as const),
    ...(await deviceLines()).map((line) => ['c', line] as const),
  ];
  return made.map(([origin, line]) => `${origin} ${verdictOf(line).replaceAll(' ', '_') || '-'} ${hex(line) || '-'}`);
}

/** What the device in C said in one session, its time and randomness given. */
async function deviceLines(): Promise<readonly Uint8Array[]> {
  const device = await BenchDevice.start();
  const gateway = new BenchGateway();
  const lines: Uint8Array[] = [];
  const exchange = async (line: Uint8Array): Promise<void> => {
    const answer = await device.hear(line);
    lines.push(answer);
    gateway.hear(answer);
  };
  await exchange(gateway.hello());
  await exchange(gateway.line);
  await device.tell('door 3 1');
  for (const type of [SEALED_TYPES.CAPABILITIES, SEALED_TYPES.COUNTERS])
    await exchange(gateway.ask(type, new Uint8Array(0)));
  await exchange(gateway.ask(SEALED_TYPES.POLL, pollBody(0)));
  await device.end();
  expect(gateway.refusals.size).toBe(0);
  expect(gateway.session?.number).toBe(3);
  return lines;
}

test('frames.txt is fresh, and the C side says the same of each line', async () => {
  const lines = await frames();
  expectFile(join(folder, 'vectors/frames.txt'), `${lines.join('\n')}\n`);
  const harness = startHarness('verdict', `${hex(FROM_GATEWAY)}${hex(FROM_DEVICE)}`);
  const answers = await harness.askAll(lines.map((line) => line.split(' ')[2] ?? '-'));
  expect(answers.map((answer) => answer.replaceAll(' ', '_') || '-')).toEqual(lines.map((line) => line.split(' ')[1]));
  expect(await harness.end()).toBe(0);
  // Sound and damaged ones, of both sides.
  expect(lines.filter((line) => /_ok;/.test(line)).length).toBeGreaterThan(30);
  expect(lines.filter((line) => /(?:crc|cobs|tag|value|length);/.test(line)).length).toBeGreaterThan(20);
});
