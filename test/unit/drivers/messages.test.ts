import { describe, expect, test } from 'vitest';
import type { Board } from '../../../src/edge/drivers/board-family.ts';
import { kerongCu16 } from '../../../src/edge/drivers/kerong-cu16/family.ts';
import { xor8a80 } from '../../../src/edge/drivers/xor-8a80/family.ts';
import { bytesOf, groupReply, hexOf, kerongReply, vectorsOf } from './support.ts';

function xorBoard(address: number, channels = 24): Board {
  return xor8a80.board({ driver: 'xor_8a80', name: 'b', address, channels });
}

function kerongBoard(address: number, itemSensors = false, channels = 16): Board {
  return kerongCu16.board({ driver: 'kerong_cu16', name: 'b', address, channels, item_sensors: itemSensors });
}

/** Channels whose feedback is 0. */
function zeros(board: Board, frame: Uint8Array): readonly number[] {
  const message = board.polls[0].interpret(frame);
  if (message.kind !== 'states') throw new Error(`expected states, found ${message.kind}`);
  return message.channels.filter((channel) => channel.feedback === 0).map((channel) => channel.channel);
}

describe('8A/80 messages', () => {
  test('the request is the published one', () => {
    const published = vectorsOf('xor_8a80').find((vector) => vector.name === 'query all');
    expect(hexOf(xorBoard(1).polls[0].request)).toBe(published?.hex);
  });

  test('published replies read as published', () => {
    expect(zeros(xorBoard(1), bytesOf('80 01 FF FF FF 33 4D'))).toEqual([]);
    expect(zeros(xorBoard(1, 32), bytesOf('80 01 FF FF FF FF 33 B2'))).toEqual([]);
  });

  test('the highest group comes first, and bit 0 is its lowest channel', () => {
    expect(zeros(xorBoard(1), groupReply(1, 0xff, 0xff, 0xfe))).toEqual([1]);
    expect(zeros(xorBoard(1), groupReply(1, 0x7f, 0xff, 0xff))).toEqual([24]);
    expect(zeros(xorBoard(2, 32), groupReply(2, 0xfe, 0xff, 0xff, 0xff))).toEqual([25]);
    expect(zeros(xorBoard(3, 16), groupReply(3, 0xfd, 0xff))).toEqual([10]);
    expect(zeros(xorBoard(3, 12), groupReply(3, 0x07, 0xff))).toEqual([12]);
  });

  test('a reply of another size is the wrong number of channels, of another board it is no answer', () => {
    expect(xorBoard(1).polls[0].interpret(groupReply(1, 0xff, 0xff, 0xff, 0xff))).toEqual({
      kind: 'wrong_channels',
      channels: 32,
    });
    expect(xorBoard(1).polls[0].interpret(groupReply(2, 0xff, 0xff, 0xff))).toEqual({
      kind: 'other_board',
      address: 2,
    });
  });

  test('the own request is an echo; spontaneous reports are hints; the rest is foreign', () => {
    const kinds = Object.fromEntries(
      vectorsOf('xor_8a80').map((vector) => [vector.name, xorBoard(1).polls[0].interpret(bytesOf(vector.hex)).kind]),
    );
    expect(kinds).toMatchObject({
      'query all': 'echo',
      'unsol 00': 'hint',
      unsol82: 'hint',
      fw: 'foreign',
      'query 1': 'foreign',
      'status 11': 'foreign',
      'reply 00': 'foreign',
      'unlock all b1': 'foreign',
      'addr query': 'foreign',
    });
    expect(xorBoard(2).polls[0].interpret(bytesOf('80 01 00 33 B2')).kind).toBe('foreign');
  });

  test('no vector that a master sends reads as states', () => {
    for (const vector of vectorsOf('xor_8a80').filter((frame) => frame.role === 'master')) {
      expect(xorBoard(1).polls[0].interpret(bytesOf(vector.hex)).kind, vector.name).not.toBe('states');
    }
  });
});

describe('KERONG messages', () => {
  test('the requests are the published ones', () => {
    expect(hexOf(kerongBoard(0).polls[0].request)).toBe('02 00 30 03 35');
    expect(hexOf(kerongBoard(1).polls[0].request)).toBe('02 10 30 03 45');
  });

  test('the published reply of board 1 with lock 4 open reads so', () => {
    expect(zeros(kerongBoard(1), bytesOf('02 10 35 F7 FF 00 00 03 40'))).toEqual([4]);
  });

  test('locks 9 to 16 are in the second byte; a CU12 has twelve', () => {
    expect(zeros(kerongBoard(0), kerongReply(0, 0x7fff))).toEqual([16]);
    const message = kerongBoard(0, false, 12).polls[0].interpret(kerongReply(0, 0xffff));
    expect(message.kind === 'states' && message.channels.length).toBe(12);
  });

  test('item sensors speak only where they are fitted', () => {
    const frame = kerongReply(2, 0xffff, 0x0101);
    const fitted = kerongBoard(2, true).polls[0].interpret(frame);
    const bare = kerongBoard(2).polls[0].interpret(frame);
    expect(
      fitted.kind === 'states' && fitted.channels.filter((each) => each.item === 1).map((each) => each.channel),
    ).toEqual([1, 9]);
    expect(bare.kind === 'states' && bare.channels.some((each) => 'item' in each)).toBe(false);
  });

  test('the own request is an echo, another board and a lock address are no answer', () => {
    expect(kerongBoard(1).polls[0].interpret(bytesOf('02 10 30 03 45')).kind).toBe('echo');
    expect(kerongBoard(0).polls[0].interpret(bytesOf('02 10 30 03 45')).kind).toBe('foreign');
    expect(kerongBoard(0).polls[0].interpret(kerongReply(1, 0xffff))).toEqual({ kind: 'other_board', address: 1 });
    const odd = [0x02, 0x02, 0x35, 0x00, 0x01, 0x00, 0x00, 0x03];
    const frame = Uint8Array.of(...odd, odd.reduce((total, byte) => total + byte) % 256);
    expect(kerongBoard(0).polls[0].interpret(frame).kind).toBe('foreign');
  });

  test('no vector that a master sends reads as states', () => {
    for (const vector of vectorsOf('kerong_cu16').filter((frame) => frame.role === 'master')) {
      expect(kerongBoard(0).polls[0].interpret(bytesOf(vector.hex)).kind, vector.name).not.toBe('states');
    }
  });
});

test('no board makes bytes that move a lock: every request is a status poll', () => {
  const requests = [
    ...Array.from({ length: 200 }, (_, index) => xorBoard(index + 1).polls[0].request),
    ...Array.from({ length: 16 }, (_, index) => kerongBoard(index).polls[0].request),
  ];
  const polls = requests.filter(
    (bytes) =>
      (bytes.length === 5 && bytes[0] === 0x80 && bytes[2] === 0x00 && bytes[3] === 0x33) ||
      (bytes.length === 5 && bytes[0] === 0x02 && bytes[2] === 0x30 && bytes[3] === 0x03),
  );
  expect(polls).toHaveLength(216);
});
