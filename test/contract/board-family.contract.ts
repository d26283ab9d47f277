/**
 * What every family of lock boards owes the bus, whatever it speaks. The other end is its simulator, which shares no code
 * with the driver; frames that others have printed come from `test/vectors`.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LockerBank } from '../../simulators/boards/bank.ts';
import { concatBytes } from '../../src/base/bytes.ts';
import { bytesOf, hexOf, summary } from '../unit/drivers/support.ts';
import {
  answersOf,
  type BoardFamilySubject,
  benchOf,
  cutAll,
  framesIn,
  PATTERNS,
  runMutations,
  settingsOf,
  statesOf,
} from './board-bench.ts';

const SHORT_MUTATIONS = 5_000;

const openDoors = (bank: LockerBank): readonly number[] =>
  bank
    .cells()
    .filter(({ door }) => door === 'open')
    .map(({ channel }) => channel);

export function boardFamilyContract(subject: BoardFamilySubject): void {
  describe(subject.title, () => {
    readingContract(subject);
    damageContract(subject);
    unlockContract(subject);
    describingContract(subject);
    growthContract(subject);
  });
}

function readingContract(subject: BoardFamilySubject): void {
  test('each channel is read once a cycle, as it is, whatever stands in the data', () => {
    for (const isOpen of PATTERNS) {
      const bench = benchOf(subject);
      const answers = answersOf(bench, isOpen);
      const read = bench.board.polls.flatMap((poll, index) => {
        const answer = answers[index] ?? new Uint8Array(0);
        expect(answer.length).toBeLessThanOrEqual(poll.replyBytes);
        expect(summary(cutAll(subject, bench.board, answer))).toEqual({ frames: [hexOf(answer)], skipped: {} });
        return statesOf(poll.interpret(answer)) ?? [];
      });
      const wired = Array.from({ length: subject.profile.channels }, (_, i) => [i + 1, isOpen(i + 1) ? 0 : 1]);
      expect(read).toEqual(wired);
    }
  });

  test('an answer cut at every byte, and two in one chunk, are the same answers', () => {
    const bench = benchOf(subject);
    for (const isOpen of PATTERNS) {
      for (const answer of answersOf(bench, isOpen).slice(0, 2)) {
        for (let at = 0; at <= answer.length; at += 1) {
          const cuts = cutAll(subject, bench.board, answer.subarray(0, at), answer.subarray(at));
          expect(summary(cuts)).toEqual({ frames: [hexOf(answer)], skipped: {} });
        }
        const twice = summary(cutAll(subject, bench.board, concatBytes(answer, answer)));
        expect(twice).toEqual({ frames: [hexOf(answer), hexOf(answer)], skipped: {} });
      }
    }
  });

  test('the request itself, heard back before the answer, is an echo and hides nothing', () => {
    const bench = benchOf(subject);
    for (const [index, answer] of answersOf(bench, (channel) => channel === 2).entries()) {
      const poll = bench.board.polls[index];
      if (poll === undefined) throw new Error('a poll for each answer');
      const frames = framesIn(cutAll(subject, bench.board, poll.request, answer));
      expect(frames.map((frame) => poll.interpret(frame).kind)).toEqual(['echo', 'states']);
    }
  });

  test('an answer of another board, or to another question, is none of this one', () => {
    const { address } = subject.profile;
    const bench = benchOf(subject);
    const other = benchOf(subject, { address: address + 1 }, { address: address + 1 });
    for (const [index, answer] of answersOf(other, () => false).entries()) {
      const frames = framesIn(cutAll(subject, bench.board, answer));
      expect(frames.map((frame) => bench.board.polls[index]?.interpret(frame))).toEqual([
        { kind: 'other_board', address: address + 1 },
      ]);
    }
    const own = answersOf(bench, () => false);
    for (const [index, poll] of bench.board.polls.entries()) {
      const kinds = own.filter((_, of) => of !== index).map((answer) => poll.interpret(answer).kind);
      expect(new Set(kinds)).toEqual(new Set(kinds.length === 0 ? [] : ['other_board']));
    }
  });

  const { otherChannels: channels } = subject;
  // An answer about one lock, or of one size whatever is fitted, tells no number of channels.
  if (channels === undefined) return;
  test('a board with other channels than configured is told', () => {
    const bench = benchOf(subject);
    const other = benchOf(subject, { channels }, { channels });
    for (const answer of answersOf(other, () => false)) {
      const kinds = framesIn(cutAll(subject, bench.board, answer)).map((frame) =>
        bench.board.polls[0].interpret(frame),
      );
      expect(kinds.map(({ kind }) => kind)).toEqual(['wrong_channels']);
    }
  });
}

function damageContract(subject: BoardFamilySubject): void {
  const title = subject.checked
    ? 'no bit that turns on the way, and no byte that is lost, makes other states of an answer'
    : 'without a check value, a bit that turns can at worst make the other state of the one lock';
  test(title, () => {
    const bench = benchOf(subject);
    let tried = 0;
    let other = 0;
    for (const isOpen of PATTERNS) {
      for (const [index, answer] of answersOf(bench, isOpen).slice(0, 3).entries()) {
        const poll = bench.board.polls[index];
        const sent = statesOf(poll?.interpret(answer));
        const judge = (damaged: Uint8Array): void => {
          for (const frame of framesIn(cutAll(subject, bench.board, damaged))) {
            const states = statesOf(poll?.interpret(frame));
            tried += 1;
            if (states === undefined || JSON.stringify(states) === JSON.stringify(sent)) continue;
            other += 1;
            expect(subject.checked, `${hexOf(answer)} damaged to ${hexOf(damaged)}`).toBe(false);
            expect(states).toHaveLength(1);
          }
        };
        for (let bit = 0; bit < answer.length * 8; bit += 1) {
          const damaged = Uint8Array.from(answer);
          damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          judge(damaged);
          judge(concatBytes(damaged, poll?.request ?? damaged));
        }
        for (let at = 0; at < answer.length; at += 1)
          judge(concatBytes(answer.subarray(0, at), answer.subarray(at + 1)));
      }
    }
    expect(tried).toBeGreaterThan(100);
    if (!subject.checked) expect(other).toBeGreaterThan(0);
  });

  test('a damaged answer hides no sound one behind it', () => {
    const bench = benchOf(subject);
    const [answer = new Uint8Array(0)] = answersOf(bench, (channel) => channel % 2 === 0);
    for (let bit = 0; bit < answer.length * 8; bit += 1) {
      const damaged = Uint8Array.from(answer);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const pause = new Uint8Array(subject.heldBytesMax + 1).fill(0xff);
      const frames = framesIn(cutAll(subject, bench.board, damaged, pause, answer));
      expect(hexOf(frames.at(-1) ?? damaged), hexOf(damaged)).toBe(hexOf(answer));
    }
  });
}

function unlockContract(subject: BoardFamilySubject): void {
  test('an unlock opens its door and no other, and no poll and no probe opens any', () => {
    const bench = benchOf(subject);
    const { unlock } = bench.board;
    answersOf(bench, () => false);
    for (const probe of subject.family.probes?.() ?? []) {
      const described = subject.family.describe?.(probe.request);
      expect(described, hexOf(probe.request)).toMatchObject({ ok: true, value: { effect: 'reads' } });
      expect(probe.address === undefined || probe.request.length > 0).toBe(true);
      subject.simulated.hear(settingsOf(subject), bench.bank, probe.request);
    }
    expect(openDoors(bench.bank)).toEqual([]);
    expect(unlock).toBeDefined();
    for (let channel = 1; channel <= subject.profile.channels; channel += 1) {
      const frame = unlock?.frame(channel) ?? new Uint8Array(0);
      expect(subject.family.describe?.(frame), hexOf(frame)).toMatchObject({ ok: true, value: { effect: 'opens' } });
      bench.answer(frame);
      expect(openDoors(bench.bank)).toEqual([channel]);
      for (const cell of bench.bank.cells()) bench.bank.shut(cell.name);
    }
  });

  test('what boards say to an unlock is understood by each habit, and never proves a state', () => {
    for (const [habit, reply] of [
      ['immediate', 'at_once'],
      ['late', 'late'],
      ['echo', 'echo'],
      ['none', 'none'],
    ] as const) {
      const bench = benchOf(subject, { unlockReply: habit }, { unlock_reply: reply });
      const { unlock } = bench.board;
      if (unlock === undefined) throw new Error('a board with locks');
      expect(unlock.reply).toBe(reply);
      const frame = unlock.frame(1);
      const heard = bench.answer(frame).flatMap((said) => framesIn(cutAll(subject, bench.board, said)));
      expect(heard).toHaveLength(habit === 'none' ? 0 : 1);
      const repeats = hexOf(heard[0] ?? frame) === hexOf(frame);
      for (const said of heard) {
        expect(said.length).toBeLessThanOrEqual(unlock.replyBytes);
        // Where the reply has the request's bytes by the standard, another habit makes it an echo.
        const expected = repeats && reply !== 'echo' ? { kind: 'echo' } : { kind: 'unlock', accepted: true };
        expect(unlock.interpret(said, 1)).toEqual(expected);
        expect(unlock.interpret(said, 2)).not.toEqual({ kind: 'states' });
      }
      expect(unlock.replyTimeoutMs > 0).toBe(reply !== 'none');
      expect(openDoors(bench.bank)).toEqual([1]);
    }
  });
}

function describingContract(subject: BoardFamilySubject): void {
  const { family, vectors } = subject;
  test('every published frame is cut as one, and says what its publisher says', () => {
    expect(vectors.length).toBeGreaterThan(2);
    const board = benchOf(subject).board;
    for (const { name, hex, role } of vectors) {
      const described = family.describe?.(bytesOf(hex));
      if (described?.ok !== true) throw new Error(`${name}: ${JSON.stringify(described)}`);
      const directions = role === 'board' ? ['reply', 'either'] : ['request', 'either'];
      expect(directions, name).toContain(described.value.direction);
      if (role === 'board') expect(described.value.effect, name).toBe('reads');
      expect(summary(cutAll(subject, board, bytesOf(hex))), name).toEqual({ frames: [hex], skipped: {} });
      const said = subject.said[name];
      if (said !== undefined) expect(described.value, name).toMatchObject(said);
    }
    expect(Object.keys(subject.said).filter((name) => !vectors.some((vector) => vector.name === name))).toEqual([]);
  });

  test('a frame with a bit turned is refused with a reason, and one that is cut never passes', () => {
    const reasons = new Set<string>();
    for (const { hex } of vectors) {
      const frame = bytesOf(hex);
      for (let bit = 0; bit < frame.length * 8; bit += 1) {
        const damaged = Uint8Array.from(frame);
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const described = family.describe?.(damaged);
        if (subject.checked) expect(described?.ok, hexOf(damaged)).toBe(false);
        if (described?.ok === false) reasons.add(described.reason);
      }
      for (let size = 0; size < frame.length; size += 1) {
        const described = family.describe?.(frame.subarray(0, size));
        expect(described?.ok, hexOf(frame.subarray(0, size))).toBe(false);
        if (described?.ok === false) reasons.add(described.reason);
      }
    }
    expect([...reasons].sort()).toEqual(subject.checked ? ['checksum', 'length', 'shape'] : ['length', 'shape']);
  });
}

function growthContract(subject: BoardFamilySubject): void {
  test('how the line cuts the bytes changes nothing', () => {
    const bench = benchOf(subject);
    const sound = [
      ...answersOf(bench, (channel) => channel % 3 === 0),
      ...subject.vectors.map(({ hex }) => bytesOf(hex)),
    ];
    const noise = fc.oneof(fc.constantFrom(...subject.marks), fc.nat(255));
    const piece = fc.oneof(
      fc.constantFrom(...sound),
      fc.array(noise, { minLength: 1, maxLength: 12 }).map((bytes) => Uint8Array.from(bytes)),
    );
    let frames = 0;
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(9), { maxLength: 30 }),
        (pieces, cuts) => {
          const wire = concatBytes(...pieces);
          const whole = summary(cutAll(subject, bench.board, wire));
          frames += whole.frames.length;
          let at = 0;
          const chunks = cuts.map((size) => {
            at += size;
            return wire.subarray(at - size, at);
          });
          expect(summary(cutAll(subject, bench.board, ...chunks, wire.subarray(at)))).toEqual(whole);
        },
      ),
      { numRuns: 60 },
    );
    expect(frames).toBeGreaterThan(60);
  });

  test(`${SHORT_MUTATIONS} mutated frames: no throw, every byte accounted for, little held`, () => {
    const reached = runMutations(subject, SHORT_MUTATIONS, 4_711);
    const reasons = subject.checked ? ['checksum', 'frame', 'length', 'noise'] : ['frame', 'length', 'noise'];
    expect([...reached].sort()).toEqual(reasons);
  });
}
