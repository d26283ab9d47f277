import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { concatBytes, utf8 } from '../../../src/base/bytes.ts';
import { formatPacket, OPCODE } from '../../../src/edge/drivers/ssi-scanner/packets.ts';
import { NAKS_MAX } from '../../../src/edge/drivers/ssi-scanner/session.ts';
import { bytesOf, hexOf, type TestLine, testLine } from './support.ts';

const ACK = '04 D0 04 00 FF 28';
const NAK = '05 D1 04 00 01 FF 25';
const SEGMENT_ACK = '04 74 04 00 FF 84';
const REVISION_QUESTION = '04 A3 04 00 FF 55';

function decode(text: string, codeType = 0x03, status = 0): Uint8Array {
  return formatPacket(OPCODE.DECODE_DATA, 0, status, [codeType, ...utf8(text)]);
}

function bench(settings: Record<string, unknown> = {}): TestLine {
  const line = testLine({ devices: [{ driver: 'ssi_scanner', name: 'desk', settle_ms: 0, ...settings } as never] });
  line.port.become('open');
  return line;
}

function written(line: TestLine): readonly string[] {
  return line.port.written.map(hexOf).filter((hex) => hex !== REVISION_QUESTION);
}

function scanned(line: TestLine): readonly string[] {
  return line.scans().map(({ code, quarantined }) => `${quarantined ?? ''}${code.aim ?? ''} ${code.text}`);
}

describe('an SSI scanner', () => {
  test('acknowledges a scan once and reports what it is', () => {
    const line = bench();
    line.port.hear(decode(']C100340123450000000017', 0x0f));
    expect(written(line)).toEqual([ACK]);
    expect(line.scans()).toMatchObject([
      { code: { aim: ']C1', identifiers: [{ scheme: 'sscc', certainty: 'check_digit' }] }, suppressed: 0 },
    ]);
  });

  test.each([
    [0x03, ']C0'],
    [0x0f, ']C1'],
    [0x0b, ']E0'],
    [0x1b, ']d1'],
    [0x1c, ']Q1'],
  ])('code type %i without an AIM identifier is %s', (codeType, aim) => {
    const line = bench();
    line.port.hear(decode('RB123456785GB', codeType));
    expect(line.scans()[0]?.code.aim).toBe(aim);
  });

  test('a repetition with the retransmit bit is acknowledged again and reported once, however late', async () => {
    const line = bench({ debounce_ms: 0 });
    line.port.hear(decode('RB123456785GB'));
    await line.run(20_000, 100);
    line.port.hear(decode('RB123456785GB', 0x03, 0x01));
    expect(written(line)).toEqual([ACK, ACK]);
    expect(line.scans()).toHaveLength(1);
  });

  test('the same label scanned again is another scan, and so is another one that was sent anew', () => {
    const line = bench({ debounce_ms: 0 });
    line.port.hear(decode('RB123456785GB'));
    line.port.hear(decode('RB123456785GB'));
    line.port.hear(decode('1Z5R89390357567127', 0x03, 0x01));
    expect(line.scans()).toHaveLength(3);
  });

  test('after a damaged packet its repetition is a scan, also of the label before', () => {
    const line = bench({ debounce_ms: 0 });
    line.port.hear(decode('RB123456785GB'));
    const damaged = decode('RB123456785GB');
    damaged[6] = (damaged[6] ?? 0) ^ 1;
    line.port.hear(damaged);
    line.port.hear(decode('RB123456785GB', 0x03, 0x01));
    expect(written(line)).toEqual([ACK, NAK, ACK]);
    expect(line.scans()).toHaveLength(2);
  });

  test('a damaged packet is refused, and no more than so often in a row', async () => {
    const line = bench();
    const damaged = decode('RB123456785GB');
    damaged[8] = (damaged[8] ?? 0) ^ 0x20;
    for (let i = 0; i < 20; i += 1) {
      line.port.hear(damaged);
      await line.run(200, 10);
    }
    expect(written(line)).toEqual(Array.from({ length: NAKS_MAX }, () => NAK));
    expect(line.scans()).toEqual([]);
    line.port.hear(decode('RB123456785GB', 0x03, 0x01));
    expect(scanned(line)).toEqual([']C0 RB123456785GB']);
    line.port.hear(damaged);
    expect(written(line).at(-1)).toBe(NAK);
  });

  test('half a packet is refused when the line falls silent', async () => {
    const line = bench();
    line.port.hear(decode('RB123456785GB').slice(0, 9));
    expect(written(line)).toEqual([]);
    await line.run(150);
    expect(written(line)).toEqual([NAK]);
  });

  test('noise that begins no packet is neither refused nor reported', async () => {
    const line = bench();
    line.port.hear(bytesOf('00 01 02 03 FF FE 80 7F 00'));
    await line.run(500);
    expect(written(line)).toEqual([]);
    expect(line.scans()).toEqual([]);
  });

  test('acknowledgements and refusals are never acknowledged, and an echo is counted', () => {
    const line = bench();
    line.port.hear(bytesOf('04 D0 00 00 FF 2C'));
    line.port.hear(formatPacket(OPCODE.CMD_NAK, 0, 0, [1]));
    line.port.hear(bytesOf(ACK));
    line.port.hear(bytesOf(REVISION_QUESTION));
    expect(written(line)).toEqual([]);
    expect(line.metrics.value('line_echoes', { port: 'bank' })).toBe(2);
  });

  test('the sign that nothing was read names nothing', () => {
    const line = bench();
    line.port.hear(bytesOf('07 F3 00 00 01 4E 52 FE 65'));
    expect(line.scans()).toMatchObject([{ quarantined: 'no_read', code: { identifiers: [] } }]);
    expect(line.scans()[0]?.code.aim).toBeUndefined();
  });

  test('a code in several segments is put together once, as another implementation sends it', () => {
    const line = bench();
    const file = new URL('../../vectors/instrument-frames.json', import.meta.url);
    const { frames } = JSON.parse(readFileSync(file, 'utf8')) as { frames: { name: string; hex: string }[] };
    const parts = frames.filter(({ name }) => name.startsWith('multi-packet')).map(({ hex }) => bytesOf(hex));
    const [first, second, third] = parts as [Uint8Array, Uint8Array, Uint8Array];
    line.port.hear(first);
    line.port.hear(second);
    line.port.hear(second);
    expect(line.scans()).toEqual([]);
    line.port.hear(third);
    expect(line.scans()[0]?.code.text).toBe('Z'.repeat(500));
    expect(written(line)).toEqual([SEGMENT_ACK, SEGMENT_ACK, SEGMENT_ACK, ACK]);
  });

  test('a code with a segment missing is refused and never reported', () => {
    const line = bench();
    const file = new URL('../../vectors/instrument-frames.json', import.meta.url);
    const { frames } = JSON.parse(readFileSync(file, 'utf8')) as { frames: { name: string; hex: string }[] };
    const parts = frames.filter(({ name }) => name.startsWith('multi-packet')).map(({ hex }) => bytesOf(hex));
    for (const part of [parts[0], parts[2]] as Uint8Array[]) line.port.hear(part);
    expect(line.scans()).toEqual([]);
    expect(written(line)).toEqual([SEGMENT_ACK, '05 D1 04 00 02 FF 24']);
  });

  test('continued decode packets are one code', () => {
    const line = bench();
    line.port.hear(decode('RB1234', 0x03, 0x02));
    line.port.hear(decode('56785GB', 0x03, 0x00));
    expect(scanned(line)).toEqual([']C0 RB123456785GB']);
  });

  test('what is longer than a code may be is cut, and names nothing', () => {
    const line = bench({ length_max: 8 });
    line.port.hear(decode('RB123456785GB'));
    expect(line.scans()).toMatchObject([{ quarantined: 'too_long', code: { text: 'RB123456', identifiers: [] } }]);
  });

  test('says who it is when it is asked, and is lost when it no longer answers', async () => {
    const line = bench({ check_s: 5 });
    expect(line.port.written.map(hexOf)).toEqual([REVISION_QUESTION]);
    line.port.hear(formatPacket(OPCODE.REPLY_REVISION, 0, 0, [...utf8('PAABLS00-002-R01 S/N 1234')]));
    expect(line.devices()).toMatchObject([
      { state: 'found', reason: 'answered', what: 'scanner', identity: 'PAABLS00-002-R01 S/N 1234' },
    ]);
    await line.run(12_000, 20);
    expect(line.devices().at(-1)).toMatchObject({ state: 'lost', reason: 'no_reply' });
    line.port.hear(decode('RB123456785GB'));
    expect(line.devices().at(-1)).toMatchObject({ state: 'found', reason: 'answered' });
  });

  test('another scanner on the same port is said', () => {
    const line = bench();
    line.port.hear(formatPacket(OPCODE.REPLY_REVISION, 0, 0, [...utf8('FIRST')]));
    line.port.hear(formatPacket(OPCODE.REPLY_REVISION, 0, 0, [...utf8('FIRST')]));
    line.port.hear(formatPacket(OPCODE.REPLY_REVISION, 0, 0, [...utf8('SECOND')]));
    expect(line.devices()).toMatchObject([
      { state: 'found', identity: 'FIRST' },
      { state: 'found', reason: 'identified', identity: 'SECOND' },
    ]);
  });

  test('how the line cuts the bytes changes nothing', () => {
    const wire = concatBytes(
      decode('RB123456785GB'),
      decode('1Z5R89390357567127'),
      decode(']C100340123450000000017', 15),
    );
    for (let size = 1; size <= wire.length; size += 1) {
      const line = bench();
      for (let at = 0; at < wire.length; at += size) line.port.hear(wire.slice(at, at + size));
      expect(line.scans()).toHaveLength(3);
      expect(written(line)).toEqual([ACK, ACK, ACK]);
    }
  });
});
