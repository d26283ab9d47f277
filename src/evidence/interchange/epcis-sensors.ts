/** What devices measured, as sensor elements of EPCIS 2.0: grams in GRM and degrees in DD (UN/ECE Recommendation 20). */
import type { CustodyEvent, JsonObject } from '../event/event.ts';
import type { EpcisEvent } from './epcis.ts';
import { deviceUri } from './epcis-names.ts';

const MILLI = 1_000;

export function sensorElements(event: CustodyEvent): readonly EpcisEvent[] {
  const reports = reportsOf(event);
  if (reports.length === 0) return [];
  const deviceID = event.device === undefined ? {} : { deviceID: deviceUri(event.log, event.device) };
  return [{ sensorMetadata: { time: event.at, ...deviceID }, sensorReport: reports }];
}

function reportsOf({ type, data }: CustodyEvent): readonly EpcisEvent[] {
  switch (type) {
    case 'weight.measured':
      return mass(data, 'weight_g', 'measured');
    case 'occupancy.changed':
      return truth(data, 'occupied', 'occupied');
    case 'door.opened':
    case 'door.closed':
      return [{ type: 'latchkey:doorOpen', booleanValue: type === 'door.opened' }];
    case 'door.forced':
      return [{ type: 'latchkey:doorForced', exception: 'ALARM_CONDITION', stringValue: `${data['reason']}` }];
    case 'tamper.raised':
    case 'tamper.cleared':
      return alarm('latchkey:tamper', type === 'tamper.raised', data['input']);
    case 'power.lost':
    case 'power.restored':
      return alarm('latchkey:powerLost', type === 'power.lost', data['source']);
    case 'location.fixed':
      return position(data);
    default:
      return episode(data);
  }
}

/** Doors, weights and occupancy before and after: of whatever an episode says. */
function episode(data: JsonObject): readonly EpcisEvent[] {
  return [
    ...mass(data, 'weight_before_g', 'before'),
    ...mass(data, 'weight_after_g', 'after'),
    ...truth(data, 'item_before', 'before'),
    ...truth(data, 'item_after', 'after'),
  ];
}

function mass(data: JsonObject, member: string, when: string): readonly EpcisEvent[] {
  const value = data[member];
  if (typeof value !== 'number') return [];
  return [{ type: 'Mass', value, uom: 'GRM', 'latchkey:when': when }];
}

function truth(data: JsonObject, member: string, when: string): readonly EpcisEvent[] {
  const value = data[member];
  if (typeof value !== 'boolean') return [];
  return [{ type: 'latchkey:occupied', booleanValue: value, 'latchkey:when': when }];
}

function alarm(type: string, isOn: boolean, what: unknown): readonly EpcisEvent[] {
  const exception = isOn ? { exception: 'ALARM_CONDITION' } : {};
  return [{ type, booleanValue: isOn, ...exception, ...(typeof what === 'string' && { stringValue: what }) }];
}

/** Rounded at the box to thousandths of a degree (WGS 84). */
function position(data: JsonObject): readonly EpcisEvent[] {
  const { lat_mdeg: lat, lon_mdeg: lon, geofence } = data;
  const verdict = { type: 'latchkey:geofence', stringValue: `${geofence}` };
  if (typeof lat !== 'number' || typeof lon !== 'number') return [verdict];
  const angle = (component: string, mdeg: number): EpcisEvent => {
    return { type: 'Angle', component, value: mdeg / MILLI, uom: 'DD' };
  };
  return [verdict, angle('latitude', lat), angle('longitude', lon)];
}
