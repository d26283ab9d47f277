/**
 * Between the bus and custody: what a board's profile says about its sound answers.
 *
 * A board whose frames carry no check value is believed when two answers in a row to one question say the same. Inputs
 * that are no doors become readings of their own. A lock that a board says it cannot read is named, since nobody may go
 * on taking its last state for the present one.
 */
import type { BoardReading, ChannelState, InputReading, ReadingSink } from '../contracts/reading.ts';
import type { Board } from './board-family.ts';

export function boardReadings(boards: readonly Board[], sink: ReadingSink): ReadingSink {
  const special = new Map(boards.filter(needsWork).map((board) => [board.device, board]));
  if (special.size === 0) return sink;
  /** Last answer to each question of a board that must answer twice, by the channels that it is about. */
  const before = new Map<string, Map<string, string>>();
  return (reading) => {
    // Two answers around a silence are not in a row.
    if (reading.kind === 'device' && reading.state !== 'found') before.delete(reading.device);
    const board = reading.kind === 'board' ? special.get(reading.device) : undefined;
    if (reading.kind !== 'board' || board === undefined) {
      sink(reading);
      return;
    }
    if (board.equalReads === true) {
      const said = before.get(board.device) ?? new Map<string, string>();
      before.set(board.device, said);
      const question = reading.channels.map(({ channel }) => channel).join();
      const answer = statesText(reading.channels);
      const equal = said.get(question) === answer;
      said.set(question, answer);
      if (!equal) return;
    }
    for (const each of split(board, reading)) sink(each);
  };
}

/** With a single poll, a channel that an answer leaves out is one that the board cannot read. */
function needsWork(board: Board): boolean {
  return board.equalReads === true || (board.inputs ?? []).length > 0 || board.polls.length === 1;
}

function statesText(channels: readonly ChannelState[]): string {
  return channels.map(({ channel, feedback, item }) => `${channel}:${feedback}${item ?? ''}`).join();
}

function split(board: Board, reading: BoardReading): readonly (BoardReading | InputReading)[] {
  const { device, observed, askedUpMs } = reading;
  const asked = askedUpMs === undefined ? {} : { askedUpMs };
  const bits = new Map(reading.channels.map(({ channel, feedback }) => [channel, feedback]));
  const inputs = (board.inputs ?? []).flatMap(({ channel, name, what, active }): InputReading[] => {
    const bit = bits.get(channel);
    if (bit === undefined) return [];
    return [{ kind: 'input', device, observed, ...asked, input: name, what, active: bit === active }];
  });
  const others = new Set(board.inputs?.map(({ channel }) => channel));
  const channels =
    others.size === 0 ? reading.channels : reading.channels.filter(({ channel }) => !others.has(channel));
  const unread = board.polls.length === 1 ? unreadOf(board, channels) : [];
  if (channels.length === 0 && unread.length === 0) return inputs;
  const doors: BoardReading = unread.length === 0 ? { ...reading, channels } : { ...reading, channels, unread };
  return [doors, ...inputs];
}

function unreadOf(board: Board, channels: readonly ChannelState[]): readonly number[] {
  if (channels.length === board.channels) return [];
  const read = new Set(channels.map(({ channel }) => channel));
  return Array.from({ length: board.channels }, (_, index) => index + 1).filter((channel) => !read.has(channel));
}
