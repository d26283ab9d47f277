/**
 * The play in acts. Each waits for what the gateway recorded, so that it is as quick as the product.
 */

import { present } from '../../src/base/assert.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { ssccLabel } from '../scanners/codes.ts';
import type { Site } from '../site.ts';
import type { SimulatedTpm } from '../tpm/tpm.ts';
import type { DemoBroker } from './broker.ts';
import { about, type Feed } from './feed.ts';
import type { Firmware } from './firmware.ts';
import { Hands, type Parcel, parcelOf } from './hands.ts';
import { killMidWrite } from './mid-write.ts';
import type { Gateway } from './product.ts';
import type { Service } from './service.ts';
import { CODED, COMPARTMENTS, DOCK, EAST, EAST_LINE, FIRMWARE_COMPARTMENT, KEYPAD, SCALE, WEST } from './stage.ts';

export interface PlayParts {
  readonly site: Site;
  readonly broker: DemoBroker;
  readonly gateway: Gateway;
  readonly service: Service;
  readonly feed: Feed;
  /** The gateway's folder of databases, watched for the moment of a write. */
  readonly journalDir: string;
  /** Loses its power when the gateway does. */
  readonly tpm: SimulatedTpm | undefined;
  readonly firmware: Firmware | undefined;
  readonly say: (text: string) => void;
}

export interface Tally {
  powerCuts: number;
  brokerOutages: number;
  readonly parcels: Parcel[];
}

const RECEIPT_LIMIT_MS = 20_000;
const WRITE_LIMIT_MS = 10_000;
const COURIER_CODE = '70914426';
const RECIPIENT_CODE = '48151623';
const PARCEL_GRAMS = 1_250;
const SACK_SCANS = 400;
const SACK_PAUSE_MS = 5;
/** Scans after which the power may go. */
const SACK_BEFORE_CUT = 100;

interface Scene extends PlayParts {
  readonly hands: Hands;
  readonly tally: Tally;
  /** A parcel that was not there before. */
  readonly parcel: () => Parcel;
}

export async function play(parts: PlayParts): Promise<Tally> {
  const tally: Tally = { powerCuts: 0, brokerOutages: 0, parcels: [] };
  const parcel = (): Parcel => {
    const next = parcelOf(tally.parcels.length + 1);
    tally.parcels.push(next);
    return next;
  };
  const scene: Scene = { ...parts, hands: new Hands(parts.site, parts.feed), tally, parcel };
  const [first, second, third, fourth] = await morning(scene);
  await brokerOutage(scene, first, third);
  await cutInMidWrite(scene);
  await afternoon(scene, second, fourth);
  await evening(scene);
  if (parts.firmware !== undefined) await provedFromTheSensor(scene, parts.firmware);
  return tally;
}

async function morning({
  hands,
  parcel,
  feed,
  gateway,
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
  const receipted = await gateway.receipted(RECEIPT_LIMIT_MS);
  say(`the consumer has receipted ${receipted} entries`);
  return parcels;
}

async function brokerOutage(
  { hands, parcel, broker, gateway, tally, say }: Scene,
  west: Parcel,
  east: Parcel,
): Promise<void> {
  await broker.goAway();
  tally.brokerOutages += 1;
  say('the broker is gone; the locker goes on');
  await hands.deposit(parcel(), 'e3');
  await hands.collect(west, 'w1');
  await hands.collect(east, 'e1');
  const { entries, receipted } = await gateway.view();
  say(`${entries - receipted} entries wait on the gateway's disk`);
  await broker.comeBack();
  await gateway.receipted(RECEIPT_LIMIT_MS);
  say('the broker is back; everything has arrived');
}

/** A door is open and a sack of parcels is read in when the power goes; the door is shut while nobody looks. */
async function cutInMidWrite(scene: Scene): Promise<void> {
  const { hands, parcel, site, broker, gateway, feed, tally, tpm, say } = scene;
  await broker.goAway();
  tally.brokerOutages += 1;
  await hands.scan(parcel());
  await hands.open('e4');
  say('the broker is gone again; a door stands open, and at the dock a sack of parcels is read in');
  const file = await readInUntilDead(scene);
  const { signal } = await gateway.buried();
  tally.powerCuts += 1;
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
  west: Parcel,
  east: Parcel,
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
  await hands.collect(east, 'e2');
  await hands.lookInto('e6');
  say('recipients collect; somebody looks into an empty compartment');
  await gateway.receipted(RECEIPT_LIMIT_MS);
}

/** A door that opens for codes alone, with a scale under what lies behind it. */
async function evening(scene: Scene): Promise<void> {
  const { hands, parcel, site, feed, gateway, service, say } = scene;
  const { sscc } = parcel();
  const courier = { kind: 'courier', ref: 'demo-courier' } as const;
  const recipient = { kind: 'recipient', ref: 'demo-recipient' } as const;
  const started = await feed.after(0, 'start', ({ type }) => type === 'gateway.started');
  const accessKey = String(started.data['access_key']);
  await Promise.all([
    service.assign(sscc, 'deposit', courier, CODED),
    service.grant(COURIER_CODE, courier, CODED, accessKey),
    service.assign(sscc, 'collect', recipient, CODED),
    service.grant(RECIPIENT_CODE, recipient, CODED, accessKey),
  ]);
  say('the service sent two access codes ahead, sealed for this gateway, and said which parcel they are for');
  await typed(scene, COURIER_CODE);
  site.weigh(SCALE, PARCEL_GRAMS);
  await hands.shut(CODED);
  await typed(scene, RECIPIENT_CODE);
  site.weigh(SCALE, 0);
  await hands.shut(CODED);
  const mark = feed.size;
  site.type(KEYPAD, RECIPIENT_CODE);
  await feed.after(mark, 'refusal of a code', ({ type }) => type === 'access.refused');
  say('a courier and a recipient came in by their codes; the second time, a code opens nothing');
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

async function typed({ feed, site }: Scene, code: string): Promise<void> {
  const mark = feed.size;
  site.type(KEYPAD, code);
  await feed.after(mark, `opening of ${CODED}`, about('door.opened', CODED));
  await feed.after(mark, `end of the opening of ${CODED}`, about('unlock.ended', CODED));
}

function found(board: string): (entry: CustodyEvent) => boolean {
  return ({ type, device }) => type === 'device.found' && device === board;
}
