/**
 * The play in acts. Each waits for what the gateway recorded, so that it is as quick as the product.
 */

import { ssccLabel } from '../scanners/codes.ts';
import type { Site } from '../site.ts';
import type { DemoBroker } from './broker.ts';
import type { Feed } from './feed.ts';
import { Hands, type Parcel, parcelOf } from './hands.ts';
import { killMidWrite } from './mid-write.ts';
import type { Gateway } from './product.ts';
import { DESK, EAST_LINE } from './stage.ts';

export interface PlayParts {
  readonly site: Site;
  readonly broker: DemoBroker;
  readonly gateway: Gateway;
  readonly feed: Feed;
  /** The gateway's folder of databases, watched for the moment of a write. */
  readonly journalDir: string;
  readonly say: (text: string) => void;
}

export interface Tally {
  powerCuts: number;
  brokerOutages: number;
  readonly parcels: Parcel[];
}

const RECEIPT_LIMIT_MS = 20_000;
const WRITE_LIMIT_MS = 10_000;
const BURST_SCANS = 60;
const BURST_PAUSE_MS = 10;

export async function play(parts: PlayParts): Promise<Tally> {
  const tally: Tally = { powerCuts: 0, brokerOutages: 0, parcels: [] };
  const hands = new Hands(parts.site, parts.feed);
  const parcel = (): Parcel => {
    const next = parcelOf(tally.parcels.length + 1);
    tally.parcels.push(next);
    return next;
  };
  await quietMorning(parts, hands, parcel);
  await brokerOutage(parts, hands, parcel, tally);
  await cutInMidWrite(parts, hands, parcel, tally);
  await afternoon(parts, hands, parcel);
  return tally;
}

async function quietMorning({ gateway, say }: PlayParts, hands: Hands, parcel: () => Parcel): Promise<void> {
  say('a courier brings parcels');
  for (const compartment of ['w1', 'w2', 'e1', 'e2']) await hands.deposit(parcel(), compartment);
  const { receipted } = await gateway.receipted(RECEIPT_LIMIT_MS);
  say(`the consumer has receipted ${receipted} entries`);
}

async function brokerOutage(parts: PlayParts, hands: Hands, parcel: () => Parcel, tally: Tally): Promise<void> {
  const { broker, gateway, say } = parts;
  await broker.goAway();
  tally.brokerOutages += 1;
  say('the broker is gone; the locker goes on');
  await hands.deposit(parcel(), 'e3');
  await hands.collect('w1');
  await hands.collect('e1');
  const { entries, receipted } = await gateway.view();
  say(`${entries - receipted} entries wait on the gateway's disk`);
  await broker.comeBack();
  await gateway.receipted(RECEIPT_LIMIT_MS);
  say('the broker is back; everything has arrived');
}

/** A door is open and scans pour in when the power goes; the door is shut while nobody looks. */
async function cutInMidWrite(parts: PlayParts, hands: Hands, parcel: () => Parcel, tally: Tally): Promise<void> {
  const { site, broker, gateway, feed, journalDir, say } = parts;
  await hands.scan(parcel());
  await hands.open('e4');
  await broker.goAway();
  tally.brokerOutages += 1;
  const killed = killMidWrite(gateway.pid, journalDir, WRITE_LIMIT_MS);
  let dead = false;
  void killed.finally(() => {
    dead = true;
  });
  for (let i = 0; i < BURST_SCANS && !dead; i += 1) {
    site.scan(DESK, ssccLabel(parcelOf(9_000 + i).sscc));
    await new Promise((resolve) => setTimeout(resolve, BURST_PAUSE_MS));
  }
  const { file } = await killed;
  const { signal } = await gateway.buried();
  tally.powerCuts += 1;
  say(`${signal} while ${file} was being written; broker gone, a door open, scans on the line`);
  site.put('e4');
  site.shut('e4');
  say('the parcel is put in and the door shut while nobody looks');
  const mark = feed.size;
  await gateway.start();
  const started = await feed.after(mark, 'start', ({ type }) => type === 'gateway.started');
  say(
    `the gateway is back (start ${started.boot}): ${started.data['clean'] === false ? 'it knows that it crashed' : 'clean'}`,
  );
  await broker.comeBack();
  await gateway.receipted(RECEIPT_LIMIT_MS);
  say('the broker is back; everything has arrived');
}

async function afternoon(parts: PlayParts, hands: Hands, parcel: () => Parcel): Promise<void> {
  const { site, feed, gateway, say } = parts;
  const mark = feed.size;
  await site.unplug(EAST_LINE);
  await feed.after(
    mark,
    'loss of the east cabinet',
    (entry) => entry.type === 'device.lost' && entry.device === 'east',
  );
  const lost = feed.size;
  await site.plug(EAST_LINE);
  await feed.after(
    lost,
    'return of the east cabinet',
    (entry) => entry.type === 'device.found' && entry.device === 'east',
  );
  say("the east cabinet's cable was pulled and is back under another device name");
  await hands.deposit(parcel(), 'w3');
  await hands.collect('w2');
  await hands.collect('e2');
  await hands.lookInto('e6');
  say('recipients collect; somebody looks into an empty compartment');
  await gateway.receipted(RECEIPT_LIMIT_MS);
}
