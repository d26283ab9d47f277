/**
 * The play in acts. Each waits for what the gateway recorded, so that it is as quick as the product.
 */

import { present } from '../../src/base/assert.ts';
import type { Actor, CustodyEvent } from '../../src/evidence/event/event.ts';
import { ssccLabel } from '../scanners/codes.ts';
import type { Site } from '../site.ts';
import type { SimulatedTpm } from '../tpm/tpm.ts';
import type { DemoBroker } from './broker.ts';
import { DoorCodes, type Visitor } from './door-codes.ts';
import { about, type Feed } from './feed.ts';
import type { Firmware } from './firmware.ts';
import { Hands, type Parcel, parcelOf, standOpen } from './hands.ts';
import { killMidWrite } from './mid-write.ts';
import type { Gateway } from './product.ts';
import type { Scenario } from './refunds.ts';
import type { Service } from './service.ts';
import {
  CODED,
  COMPARTMENTS,
  DOCK,
  EAST,
  EAST_LINE,
  FIRMWARE_COMPARTMENT,
  FORCED,
  KEYPAD,
  SCALE,
  WEST,
} from './stage.ts';
import type { Webhooks } from './webhooks.ts';

export interface PlayParts {
  readonly site: Site;
  readonly broker: DemoBroker;
  readonly gateway: Gateway;
  readonly service: Service;
  /** What the merchant says of its parcels. */
  readonly merchant: Webhooks;
  readonly feed: Feed;
  /** Resolves when the consumer of the entries runs. */
  readonly consumerReady: () => Promise<void>;
  /** The gateway's folder of databases, watched for the moment of a write. */
  readonly journalDir: string;
  /** Loses its power when the gateway does. */
  readonly tpm: SimulatedTpm | undefined;
  readonly firmware: Firmware | undefined;
  readonly say: (text: string) => void;
}

export interface Tally {
  readonly powerCuts: number;
  readonly brokerOutages: number;
  readonly parcels: readonly Parcel[];
  /** The parcel that each refund will be about. */
  readonly about: Readonly<Record<Scenario, Parcel>>;
}

const RECEIPT_LIMIT_MS = 60_000;
const WRITE_LIMIT_MS = 30_000;
const RETURN_CODE = '27182818';
const COURIER: Actor = { kind: 'courier', ref: 'demo-courier' };
const RECIPIENT: Actor = { kind: 'recipient', ref: 'demo-recipient' };
const COURIER_VISIT: Visitor = { actor: COURIER, compartment: CODED, code: '70914426' };
const RECIPIENT_VISIT: Visitor = { actor: RECIPIENT, compartment: CODED, code: '48151623' };
const FORCED_VISIT: Visitor = { actor: COURIER, compartment: FORCED, code: '31415926' };
const PARCEL_GRAMS = 1_250;
/** Where the three returns of one afternoon are put. */
const RETURNS_TO = ['e1', 'e2', 'e3'];
const SACK_SCANS = 400;
const SACK_PAUSE_MS = 5;
/** Scans after which the power may go. */
const SACK_BEFORE_CUT = 100;

interface Scene extends PlayParts {
  readonly hands: Hands;
  readonly codes: DoorCodes;
  readonly counts: { powerCuts: number; brokerOutages: number };
  /** A parcel that was not there before. */
  readonly parcel: () => Parcel;
}

export async function play(parts: PlayParts): Promise<Tally> {
  const parcels: Parcel[] = [];
  const parcel = (): Parcel => {
    const next = parcelOf(parcels.length + 1);
    parcels.push(next);
    return next;
  };
  const counts = { powerCuts: 0, brokerOutages: 0 };
  const { site, feed } = parts;
  const scene: Scene = { ...parts, hands: new Hands(site, feed), codes: new DoorCodes(parts), counts, parcel };
  const [first, second, third, fourth] = await morning(scene);
  const fifth = await brokerOutage(scene, first, third);
  await cutInMidWrite(scene);
  const sent = sendCodesAhead(scene);
  // Awaited below; until then a failure must not count as unheard.
  sent.catch(() => undefined);
  await afternoon(scene, { west: second, east: [fourth, fifth] });
  const { coded, forced } = await sent;
  await evening(scene);
  await returns(scene, { honest: first, several: [second, third, fourth], phantom: fifth });
  await forcedDoor(scene, forced);
  if (parts.firmware !== undefined) await provedFromTheSensor(scene, parts.firmware);
  return {
    ...counts,
    parcels,
    about: {
      'honest-delivery': coded,
      'honest-return': first,
      'phantom-return': fifth,
      'forced-door': forced,
      'velocity-1': second,
      'velocity-2': third,
      'velocity-3': fourth,
    },
  };
}

async function morning({
  hands,
  parcel,
  feed,
  gateway,
  consumerReady,
  say,
}: Scene): Promise<readonly [Parcel, Parcel, Parcel, Parcel]> {
  // A door that moves before the first look at it was never seen to move.
  for (const { name } of COMPARTMENTS) await feed.after(0, `first look at ${name}`, about('compartment.counted', name));
  say('every compartment was looked at once; a courier brings parcels');
  const parcels = [parcel(), parcel(), parcel(), parcel()] as const;
  await hands.deposit(parcels[0], 'w1');
  await hands.deposit(parcels[1], 'w2');
  await hands.deposit(parcels[2], 'e1');
  await hands.deposit(parcels[3], 'e2');
  await consumerReady();
  const receipted = await gateway.receipted(RECEIPT_LIMIT_MS);
  say(`the service has receipted ${receipted} entries`);
  return parcels;
}

async function brokerOutage(
  { hands, parcel, broker, gateway, counts, say }: Scene,
  west: Parcel,
  east: Parcel,
): Promise<Parcel> {
  await broker.goAway();
  counts.brokerOutages += 1;
  say('the broker is gone; the locker goes on');
  const brought = parcel();
  await hands.deposit(brought, 'e3');
  await hands.collect(west, 'w1');
  await hands.collect(east, 'e1');
  const { entries, receipted } = await gateway.view();
  say(`${entries - receipted} entries wait on the gateway's disk`);
  await broker.comeBack();
  await gateway.receipted(RECEIPT_LIMIT_MS);
  say('the broker is back; everything has arrived');
  return brought;
}

/** A door is open and a sack of parcels is read in when the power goes; the door is shut while nobody looks. */
async function cutInMidWrite(scene: Scene): Promise<void> {
  const { hands, parcel, site, broker, gateway, feed, counts, tpm, say } = scene;
  await broker.goAway();
  counts.brokerOutages += 1;
  await hands.scan(parcel());
  await hands.open('e4');
  say('the broker is gone again; a door stands open, and at the dock a sack of parcels is read in');
  const file = await readInUntilDead(scene);
  const { signal } = await gateway.buried();
  counts.powerCuts += 1;
  await tpm?.powerCut();
  say(
    `${signal} to the gateway while it writes ${file}${tpm === undefined ? '' : ', and the TPM has no power either'}`,
  );
  site.put('e4');
  site.shut('e4');
  say('the parcel is put in and the door shut while nobody looks');
  const mark = feed.size;
  await gateway.start();
  await feed.after(mark, 'answer of the west cabinet', found(WEST.name));
  await feed.after(mark, 'deposit in e4', about('parcel.deposited', 'e4'));
  await broker.comeBack();
  await gateway.receipted(RECEIPT_LIMIT_MS);
  say('the broker is back; everything has arrived');
}

/** Scans until the gateway was killed in the middle of a write; resolves with the file that it was writing. */
async function readInUntilDead({ site, gateway, journalDir }: Scene): Promise<string> {
  let killed: Promise<{ readonly file: string }> | undefined;
  let dead = false;
  for (let i = 0; i < SACK_SCANS && !dead; i += 1) {
    site.scan(DOCK, ssccLabel(parcelOf(100_000 + i).sscc));
    if (i === SACK_BEFORE_CUT) {
      killed = killMidWrite(gateway.pid, journalDir, WRITE_LIMIT_MS).finally(() => {
        dead = true;
      });
      // Awaited below; until then a failure must not count as unheard.
      killed.catch(() => undefined);
    }
    await new Promise((resolve) => setTimeout(resolve, SACK_PAUSE_MS));
  }
  return (await present(killed, 'the kill')).file;
}

async function afternoon(
  { hands, parcel, site, feed, gateway, say }: Scene,
  { west, east }: { readonly west: Parcel; readonly east: readonly [Parcel, Parcel] },
): Promise<void> {
  const before = feed.size;
  await site.unplug(EAST_LINE);
  await feed.after(
    before,
    'loss of the east cabinet',
    ({ type, device }) => type === 'device.lost' && device === EAST.name,
  );
  const lost = feed.size;
  await site.plug(EAST_LINE);
  await feed.after(lost, 'return of the east cabinet', found(EAST.name));
  say("the east cabinet's cable was pulled and is back under another device name");
  await hands.deposit(parcel(), 'w3');
  await hands.collect(west, 'w2');
  await hands.collect(east[0], 'e2');
  await hands.collect(east[1], 'e3');
  await hands.lookInto('e6');
  say('recipients collect; somebody looks into an empty compartment');
  await gateway.receipted(RECEIPT_LIMIT_MS);
}

/** Codes are made and sent while the locker is busy with others: they wait on it until somebody types them. */
async function sendCodesAhead({ codes, parcel, service, merchant, say }: Scene) {
  const coded = parcel();
  const forced = parcel();
  await Promise.all([
    merchant.send('declared', { parcel: service.nameOf(coded.sscc), weight_g: PARCEL_GRAMS }),
    service.assign(coded.sscc, 'deposit', COURIER, CODED),
    codes.grant(COURIER_VISIT),
    service.assign(coded.sscc, 'collect', RECIPIENT, CODED),
    codes.grant(RECIPIENT_VISIT),
    service.assign(forced.sscc, 'deposit', COURIER, FORCED),
    codes.grant(FORCED_VISIT),
  ]);
  say('the service sent three access codes ahead, sealed for this gateway, and said which parcels they are for');
  return { coded, forced };
}

/** A door that opens for codes alone, with a scale under what lies behind it. */
async function evening({ hands, codes, site, feed, gateway, say }: Scene): Promise<void> {
  await codes.enter(COURIER_VISIT);
  site.weigh(SCALE, PARCEL_GRAMS);
  await hands.shut(CODED);
  const { openedMs, code } = await codes.enter(RECIPIENT_VISIT);
  site.weigh(SCALE, 0);
  await standOpen(openedMs);
  await hands.shut(CODED);
  const mark = feed.size;
  site.type(KEYPAD, code);
  await feed.after(mark, 'refusal of a code', ({ type }) => type === 'access.refused');
  say('a courier and a recipient came in by their codes; the second time, a code opens nothing');
  await gateway.receipted(RECEIPT_LIMIT_MS);
}

interface Returned {
  readonly honest: Parcel;
  readonly several: readonly Parcel[];
  readonly phantom: Parcel;
}

/** Parcels that were collected come back: by a code, by a scan at the desk, and one only as somebody's word. */
async function returns(scene: Scene, { honest, several, phantom }: Returned): Promise<void> {
  const { hands, codes, site, gateway, service, merchant, say } = scene;
  const customer = { actor: RECIPIENT, compartment: CODED, code: RETURN_CODE };
  const granted = Promise.all([
    merchant.send('declared', { parcel: service.nameOf(honest.sscc), weight_g: PARCEL_GRAMS }),
    service.assign(honest.sscc, 'return', customer.actor, CODED),
    codes.grant(customer),
  ]);
  granted.catch(() => undefined);
  for (const [i, one] of several.entries()) await hands.deposit(one, RETURNS_TO[i] ?? 'e1', 'unhurried');
  say('three parcels came back at the desk');
  await hands.pretend(phantom, 'e6');
  say(`the label of ${phantom.title} was scanned, a door opened and shut, and nothing lies behind it`);
  await granted;
  const { openedMs } = await codes.enter(customer);
  site.weigh(SCALE, PARCEL_GRAMS);
  await standOpen(openedMs);
  await hands.shut(CODED);
  say(`${honest.title} came back: by a code, and on the scale it weighs what the merchant sent`);
  await gateway.receipted(RECEIPT_LIMIT_MS);
}

/** A courier brings a parcel in by a code; then somebody opens the door without any, and it is gone. */
async function forcedDoor({ hands, codes, site, feed, gateway, say }: Scene, one: Parcel): Promise<void> {
  const { openedMs } = await codes.enter(FORCED_VISIT);
  const mark = feed.size;
  site.put(FORCED);
  await feed.after(mark, `item change in ${FORCED}`, about('occupancy.changed', FORCED));
  await standOpen(openedMs);
  await hands.shut(FORCED);
  await hands.take(FORCED);
  say(`${one.title} was brought to ${FORCED}; then its door was forced, and the parcel is gone`);
  await gateway.receipted(RECEIPT_LIMIT_MS);
}

/** The same visit at a compartment whose controller proves who it is; it kept its session's key through the gateway's crash. */
async function provedFromTheSensor({ hands, parcel, feed, gateway, say }: Scene, firmware: Firmware): Promise<void> {
  const { name, channel } = FIRMWARE_COMPARTMENT;
  const one = parcel();
  for (const there of [true, false]) {
    if (there) await hands.scan(one);
    const mark = feed.size;
    firmware.open(channel);
    await feed.after(mark, `opening of ${name}`, about('door.opened', name));
    firmware.item(channel, there);
    await feed.after(mark, `item change in ${name}`, about('occupancy.changed', name));
    firmware.shut(channel);
    const end = there ? 'parcel.deposited' : 'parcel.collected';
    await feed.after(mark, `${end} in ${name}`, about(end, name));
  }
  say('a parcel went through a compartment whose controller proves what it says');
  await gateway.receipted(RECEIPT_LIMIT_MS);
}

function found(board: string): (entry: CustodyEvent) => boolean {
  return ({ type, device }) => type === 'device.found' && device === board;
}
