/**
 * `latchkey commission`: walks a technician through closed, open, closed for each door. The running gateway looks and
 * records; this asks, waits and prints the lines for gateway.yaml. What is done is kept there, so a walk that was broken
 * off goes on with the next door.
 */
import { createInterface } from 'node:readline/promises';
import { LatchkeyError } from '../../base/errors.ts';
import type { CommissionAnswer, CommissionedRow } from '../../edge/gateway/commission/commissioning.ts';
import type { Wire } from '../../edge/gateway/commission/walk.ts';
import type { GatewaySettings } from '../../edge/gateway/settings.ts';
import type { CommandArgs, CommandIo, CommandRun } from '../command.ts';
import { askGateway, gatewaySettings } from '../locate.ts';

const NOT_ALL = 2;

export const commissionCommand: CommandRun = async (args, io) => {
  const settings = gatewaySettings(args);
  const rows = (await askGateway(settings, io, { verb: 'commissioned' })) as readonly CommissionedRow[];
  const asked = rowsAsked(rows, args);
  const answers: CommissionAnswer[] = [];
  const line = args.flag('yes') || !process.stdin.isTTY ? undefined : createInterface(process.stdin, process.stderr);
  try {
    for (const row of asked) {
      if (io.signal.aborted) break;
      if (!(await isReady(row, line, io))) continue;
      const answer = await walk(settings, row, args, io);
      answers.push(answer);
      io.err(`${row.compartment}: ${describeAnswer(answer)}`);
    }
  } finally {
    line?.close();
  }
  const lines = settingLines(answers);
  if (args.flag('json')) io.out(JSON.stringify({ answers, left: asked.length - answers.length, settings: lines }));
  else for (const each of lines) io.out(each);
  const done = answers.filter(({ verdict }) => verdict === 'commissioned').length;
  io.err(`${done} of ${asked.length} commissioned${asked.length === 0 ? ': --again walks those that are' : ''}`);
  return done === asked.length ? 0 : NOT_ALL;
};

/** Those that were not commissioned yet, or those that are named, in the order of the settings. */
function rowsAsked(rows: readonly CommissionedRow[], args: CommandArgs): readonly CommissionedRow[] {
  const unknown = args.positionals.find((name) => !rows.some(({ compartment }) => compartment === name));
  if (unknown !== undefined) {
    throw new LatchkeyError('USAGE', `commission: no compartment is named ${JSON.stringify(unknown)}`);
  }
  if (args.positionals.length > 0) return rows.filter(({ compartment }) => args.positionals.includes(compartment));
  return args.flag('again') ? rows : rows.filter(({ at }) => at === undefined);
}

type Lines = ReturnType<typeof createInterface>;

async function isReady(row: CommissionedRow, lines: Lines | undefined, io: CommandIo): Promise<boolean> {
  if (lines === undefined) return true;
  const asked = `${row.compartment}: shut it and all other doors, then press Enter (s to leave it out) `;
  const answer = await lines.question(asked, { signal: io.signal });
  return answer.trim().toLowerCase() !== 's';
}

async function walk(
  settings: GatewaySettings,
  { compartment }: CommissionedRow,
  args: CommandArgs,
  io: CommandIo,
): Promise<CommissionAnswer> {
  let shown = '';
  const onProgress = (value: unknown): void => {
    const step = (value as { readonly step?: unknown }).step;
    const now = typeof step === 'string' ? (STEPS[step] ?? step) : '';
    if (now !== shown) io.err(`${compartment}: ${now}`);
    shown = now;
  };
  const asking = {
    verb: 'commission',
    args: {
      compartment,
      move_limit_ms: 1_000 * args.count('wait', 60),
      accept_unlike: args.flag('accept-unlike'),
    },
    onProgress,
  };
  return (await askGateway(settings, io, asking)) as CommissionAnswer;
}

const STEPS: Readonly<Record<string, string>> = {
  looking: 'hands off; looking at all doors',
  shut: 'one door of its board reads otherwise than the others: shut this door and all of them',
  open: 'now open this door, and no other',
  close: 'now shut it',
};

const ADVICE: Readonly<Record<CommissionAnswer['verdict'], string>> = {
  commissioned: 'commissioned',
  other_channel: 'another channel moved than the settings name',
  unlike_neighbours:
    'reads the other way round than all other doors of its board, or of its kind: if it stood shut at the beginning, walk it again with --accept-unlike',
  not_all_shut:
    'not all doors of its board are shut, or one is not wired: shut them all; if they are, and are wired in different ways, walk it with --accept-unlike',
  board_away: 'its board does not answer: "latchkey status" tells why',
  no_change: 'nothing moved: the door was not opened, or no feedback is wired ("closed" and "not wired" read alike)',
  several_moved: 'several channels moved: was another door touched? otherwise look for joined wires',
  restless: 'something moves by itself: look for a loose contact, or a door that does not latch',
  not_closed: 'it was not seen to shut again',
};

export function describeAnswer(answer: CommissionAnswer): string {
  const { verdict, expected, found, foundIs, polarity, reads = [], moved = [], contradictsSettings } = answer;
  const parts = [ADVICE[verdict]];
  if (verdict === 'other_channel' && found !== undefined) {
    const of = foundIs === undefined ? '' : `, which the settings call ${foundIs}`;
    parts.push(
      `expected ${wireText(expected)}, found ${wireText(found)}${of}: correct the lines below, start the gateway again`,
    );
  }
  if (polarity !== undefined) parts.push(`${polarity} (read ${reads.join(', ')})`);
  const what = verdict === 'not_all_shut' ? 'reads otherwise' : 'moved';
  if (moved.length > 0) parts.push(`${what}: ${moved.map(wireText).join(', ')}`);
  if (contradictsSettings === true) parts.push('the settings do not say so yet: put in the lines below');
  return parts.join('; ');
}

function wireText({ device, channel }: Wire): string {
  return `${device} channel ${channel}`;
}

/** What gateway.yaml should say of the doors that were seen to move. */
export function settingLines(answers: readonly CommissionAnswer[]): readonly string[] {
  const seen = answers.flatMap(({ compartment, found, polarity }) => {
    return found === undefined || polarity === undefined ? [] : [{ compartment, found, polarity }];
  });
  if (seen.length === 0) return [];
  return [
    'custody:',
    '  compartments:',
    ...seen.flatMap(({ compartment, found, polarity }) => [
      `    - name: ${compartment}`,
      `      device: ${found.device}`,
      `      channel: ${found.channel}`,
      `      polarity: ${polarity}`,
    ]),
  ];
}
