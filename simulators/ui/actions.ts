/**
 * What each action of the page does to the site: a row for each name of the table in `view.ts`, with the schema of its
 * members. The words are those of `latchkey simulate`'s steps.
 */
import { z } from 'zod';
import { unhex } from '../../src/base/bytes.ts';
import { LatchkeyError } from '../../src/base/errors.ts';
import { accept, type Result, refuse } from '../../src/base/result.ts';
import { SENSORS } from '../boards/bank.ts';
import type { DemoBroker } from '../demo/broker.ts';
import { LINE_FAULTS } from '../faults/kinds.ts';
import { labelOf, SPOOF_BYTES_MAX } from '../site/steps.ts';
import type { Site } from '../site.ts';
import type { Program } from './program.ts';
import { type ActionMembers, type ActionName, KEYS_MAX, SCAN_TEXT_MAX, SYMBOLOGIES } from './view.ts';
import type { Visits } from './visits.ts';

export interface World {
  readonly site: Site;
  readonly visits: Visits;
  readonly broker: DemoBroker | undefined;
  /** Absent where the site runs none. */
  readonly consumer?: Program | undefined;
  readonly gateway?: Program | undefined;
}

interface Row<Members> {
  readonly members: z.ZodType<Members>;
  readonly act: (world: World, members: Members) => void | Promise<void>;
}

const name = z.string().min(1).max(64);
const named = z.strictObject({ name });
const nothing = z.strictObject({});
const GRAMS_MAX = 999_999;

const ROWS: { readonly [K in ActionName]: Row<ActionMembers[K]> } = {
  deposit: { members: named, act: ({ visits }, { name }) => visits.deposit(name) },
  collect: { members: named, act: ({ visits }, { name }) => visits.collect(name) },
  open: { members: named, act: ({ site }, { name }) => site.open(name) },
  put: { members: named, act: ({ site }, { name }) => site.put(name) },
  take: { members: named, act: ({ site }, { name }) => site.take(name) },
  shut: { members: named, act: ({ site }, { name }) => site.shut(name) },
  fail: {
    members: z.strictObject({ name, sensor: z.enum(SENSORS) }),
    act: ({ site }, { name, sensor }) => site.fail(name, sensor),
  },
  mend: { members: named, act: ({ site }, { name }) => site.mend(name) },
  pretend: {
    members: z.strictObject({ name, item: z.boolean() }),
    act: ({ site }, { name, item }) => site.pretendItem(name, item),
  },
  unplug: { members: named, act: ({ site }, { name }) => site.unplug(name) },
  plug: { members: named, act: ({ site }, { name }) => site.plug(name) },
  power: {
    members: z.strictObject({ name, on: z.boolean() }),
    act: ({ site }, { name, on }) => site.power(name, on),
  },
  fault: {
    members: z.strictObject({ name, kind: z.enum(LINE_FAULTS) }),
    act: ({ site }, { name, kind }) => site.fault(name, kind),
  },
  spoof: {
    members: z.strictObject({
      name,
      frame: z
        .string()
        .max(3 * SPOOF_BYTES_MAX)
        .optional(),
    }),
    act: ({ site }, { name, frame }) => site.spoof(name, frame === undefined ? undefined : bytesOf(frame)),
  },
  scan: {
    members: z.strictObject({
      name,
      symbology: z.enum(SYMBOLOGIES),
      text: z.string().min(1).max(SCAN_TEXT_MAX),
    }),
    act: ({ site, visits }, { name, symbology, text }) => {
      const label = labelOf(symbology, text);
      if (label === undefined) {
        throw new LatchkeyError('USAGE', `a label of kind ${symbology} is made out of a number of at most 7 digits`);
      }
      site.scan(name, label);
      if (symbology === 'sscc') visits.used(Number(text));
    },
  },
  no_read: { members: named, act: ({ site }, { name }) => site.scan(name) },
  type: {
    members: z.strictObject({ name, keys: z.string().max(KEYS_MAX) }),
    act: ({ site }, { name, keys }) => site.type(name, keys),
  },
  weigh: {
    members: z.strictObject({ name, grams: z.int().min(-GRAMS_MAX).max(GRAMS_MAX) }),
    act: ({ site }, { name, grams }) => site.weigh(name, grams),
  },
  move: {
    members: z.strictObject({ name, lat: z.number().min(-90).max(90), lon: z.number().min(-180).max(180) }),
    act: ({ site }, { name, lat, lon }) => site.move(name, { lat, lon }),
  },
  lose_fix: { members: named, act: ({ site }, { name }) => site.move(name) },
  stop_broker: { members: nothing, act: ({ broker }) => brokerOf(broker).goAway() },
  start_broker: { members: nothing, act: ({ broker }) => brokerOf(broker).comeBack() },
  stop_consumer: { members: nothing, act: ({ consumer }) => consumerOf(consumer).stop('SIGTERM') },
  start_consumer: { members: nothing, act: ({ consumer }) => void consumerOf(consumer).start() },
  cut_gateway: { members: nothing, act: ({ gateway }) => gatewayOf(gateway).stop('SIGKILL') },
  start_gateway: { members: nothing, act: ({ gateway }) => void gatewayOf(gateway).start() },
};

export interface Asked {
  /** As it could be typed, for the list of what happened. */
  readonly words: string;
  /** Rejects with USAGE when it cannot be done. */
  act(world: World): Promise<void>;
}

/** An action out of the body of a request. */
export function askedOf(body: unknown): Result<Asked, 'action'> {
  const head = z.looseObject({ do: z.string() }).safeParse(body);
  if (!head.success) return refuse('action', 'expected an object with "do"');
  const { do: what, ...members } = head.data;
  if (!isAction(what)) return refuse('action', `expected "do" to be one of ${Object.keys(ROWS).join(', ')}`);
  return read(ROWS[what] as Row<unknown>, what, members);
}

function read(row: Row<unknown>, what: ActionName, body: unknown): Result<Asked, 'action'> {
  const parsed = row.members.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse('action', `${what}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is not understood'}`);
  }
  const { data } = parsed;
  const members = Object.values(data as object).filter((value) => value !== undefined);
  const words = [what, ...members.map((value) => (typeof value === 'boolean' ? (value ? 'on' : 'off') : value))];
  return accept({ words: words.join(' '), act: async (world) => row.act(world, data) });
}

function isAction(what: string): what is ActionName {
  return Object.hasOwn(ROWS, what);
}

function bytesOf(frame: string): Uint8Array {
  const bytes = unhex(frame.replaceAll(/\s/g, '').toLowerCase());
  if (bytes === undefined || bytes.length === 0 || bytes.length > SPOOF_BYTES_MAX) {
    throw new LatchkeyError('USAGE', `a frame is 1 to ${SPOOF_BYTES_MAX} bytes in hex`);
  }
  return bytes;
}

function brokerOf(broker: DemoBroker | undefined): DemoBroker {
  if (broker === undefined) throw new LatchkeyError('USAGE', 'this site runs no broker: give --ui-broker');
  return broker;
}

function consumerOf(consumer: Program | undefined): Program {
  if (consumer === undefined) {
    throw new LatchkeyError('USAGE', 'this site runs no consumer: give --write-config, and --ui-broker with --site');
  }
  return consumer;
}

function gatewayOf(gateway: Program | undefined): Program {
  if (gateway === undefined) {
    throw new LatchkeyError(
      'USAGE',
      'the gateway was not started by this site: give --with-gateway, or end it yourself',
    );
  }
  return gateway;
}
