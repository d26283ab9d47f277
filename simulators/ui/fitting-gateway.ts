/**
 * Content of a gateway.yaml that fits a simulated site: each line as a port, each device with its driver, each
 * compartment with the polarity that its board has. Whoever writes it checks it with the gateway's own schema.
 */

import { compartmentsOf } from '../site/devices.ts';
import type { LineSettings, SiteSettings } from '../site/settings.ts';
import type { Site } from '../site.ts';

export interface FittingParts {
  readonly settings: SiteSettings;
  readonly site: Pick<Site, 'address'>;
  readonly brokerUrl: string;
  readonly dataDir: string;
  /** Verifier key of the consumer that belongs to the site; absent where none does. */
  readonly receiver?: string | undefined;
}

type Board = NonNullable<LineSettings['boards']>[number];

/** Quicker than usual: whoever clicks looks at the other page at once. */
const POLL = { cycle_ms: 50, reply_timeout_ms: 500, liveness_ms: 4_000 };
const SETTLE_MS = 200;
const BACKOFF_MAX_MS = 1_000;
const SUFFIXES: Readonly<Record<string, string>> = {
  '\r': 'cr',
  '\n': 'lf',
  '\r\n': 'crlf',
  '\t': 'tab',
  '\u0003': 'etx',
  '': 'none',
};
/** Quicker as well: a consumer beside it answers at once, and one that is stopped is missed while somebody still looks. */
const UPLINK = { memory_quiet_ms: 500, memory_lost_wait_ms: 2_000, stall_ms: 3_000, stall_max_ms: 3_000 };
/** Something that waits for a receipt, also when nobody clicks. */
const ALIVE_S = 10;
const LAST_RECEIPT_S = 2;
/** Of the keypad's lamp: shown on the page as they are. */
const LAMP = { granted: 'G', refused: 'R' };

export function fittingGateway({ settings, site, brokerUrl, dataDir, receiver }: FittingParts): object {
  const keypads = settings.lines.filter(({ keypad }) => keypad !== undefined).map(({ name }) => ({ name }));
  return {
    gateway: { id: `sim-${settings.name}`, operator_domain: 'lockers.example', data_dir: dataDir },
    keys: 'software',
    mqtt: { url: brokerUrl, protocol: '3.1.1', reconnect: { first_ms: 250, max_ms: 2_000 } },
    uplink: UPLINK,
    receivers: receiver === undefined ? [] : [{ vkey: receiver, role: 'store' }],
    alive_interval_s: ALIVE_S,
    references: { kind: 'clear' },
    ports: settings.lines.map((line) => portOf(line, site.address(line.name))),
    custody: { compartments: compartments(settings), settle_ms: SETTLE_MS },
    // Where no receipt will come, nobody waits for the last one.
    stop_wait_s: receiver === undefined ? 0 : LAST_RECEIPT_S,
    ...(keypads.length > 0 && { access: { devices: keypads } }),
  };
}

function portOf(line: LineSettings, address: string): object {
  const [host = '', port = ''] = address.split(':');
  const place = line.tcp === undefined ? { kind: 'serial', path: address } : { kind: 'tcp', host, port: Number(port) };
  const link = { ...place, ...(line.baud !== undefined && { baud: line.baud }), backoff_max_ms: BACKOFF_MAX_MS };
  const poll = line.boards === undefined ? {} : { poll: POLL };
  return { name: line.name, link, ...poll, devices: devicesOf(line) };
}

function devicesOf({ name, boards, scanner, keypad, ssi, scale, family }: LineSettings): readonly object[] {
  if (boards !== undefined) return boards.map((board) => boardOf(board, board.family ?? family ?? ''));
  if (scanner !== undefined) {
    const { prefix, suffix, aim, no_read: noRead } = scanner;
    const framing = { ...(prefix !== '' && { prefix }), suffix: SUFFIXES[suffix] ?? suffix, aim };
    return [{ driver: 'text_scanner', name, ...framing, ...(noRead !== undefined && { no_read: [noRead] }) }];
  }
  if (keypad !== undefined) return [{ driver: 'keypad', name, ...LAMP }];
  if (ssi !== undefined) return [{ driver: 'ssi_scanner', name }];
  if (scale !== undefined) return [{ driver: scale.speaks === 'toledo' ? 'toledo_continuous' : 'mt_sics', name }];
  return [{ driver: 'nmea', name }];
}

function boardOf(board: Board, family: string): object {
  const { name, address, channels, layout, unlock_value: value, relay, item_sensors: sensing } = board;
  const reply = board.unlock_reply === 'immediate' ? 'at_once' : board.unlock_reply;
  return {
    driver: family,
    name,
    address,
    channels,
    unlock_reply: reply,
    ...(family.startsWith('kerong') && sensing && { item_sensors: true }),
    ...(layout !== undefined && { layout }),
    ...(value !== undefined && { unlock_value: value === 0 ? '0000' : 'FF00' }),
    // A relay that stays on would keep its lock open: such a board only reports.
    ...(family === 'modbus_io' && relay !== 'latching' && { unlock: { by: relay ?? 'flash' } }),
  };
}

function compartments(settings: SiteSettings): readonly object[] {
  const boards = new Map(
    settings.lines.flatMap(({ boards = [], family }) =>
      boards.map((board) => [board.name, { board, family: board.family ?? family ?? '' }] as const),
    ),
  );
  const controlled = new Set((settings.compartments ?? []).filter((each) => each.controlled).map(({ name }) => name));
  return compartmentsOf(settings).map(({ name, board: device, channel }) => {
    const wired = boards.get(device);
    const sensing = wired?.board.item_sensors === true && wired.family.startsWith('kerong');
    return {
      name,
      device,
      channel,
      polarity: wired?.board.shut_reads === 0 ? 'closed_is_0' : 'closed_is_1',
      ...(sensing && { item_sensor: true }),
      ...(controlled.has(name) && { controlled: true }),
    };
  });
}
