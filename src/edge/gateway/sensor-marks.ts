/**
 * Marks evidence of authenticated sensors: an event that says what a device sensed carries the session in which the device had
 * proved itself. From `device.found` until the device is lost or faulted, and never a moment longer.
 */
import type { EventBody, Json } from '../../evidence/event/event.ts';
import type { Reading, SensorClaim } from '../contracts/reading.ts';

/** Events that say what one device sensed. Those that custody concludes from several name their devices' events. */
const SENSED: ReadonlySet<string> = new Set([
  'code.scanned',
  'door.opened',
  'door.closed',
  'occupancy.changed',
  'weight.measured',
  'tamper.raised',
  'tamper.cleared',
  'power.lost',
  'power.restored',
]);

/** What is told of a line is the gateway's own finding, whatever device it stands under. */
const OWN_FINDING = /^line_/;

export class SensorMarks {
  readonly #claims = new Map<string, SensorClaim>();

  /** To be called with each reading, before custody takes it. */
  note(reading: Reading): void {
    if (reading.kind !== 'device') return;
    if (reading.state === 'found' && reading.sensor !== undefined) this.#claims.set(reading.device, reading.sensor);
    else this.#claims.delete(reading.device);
  }

  mark(body: EventBody): EventBody {
    const claim = body.device === undefined ? undefined : this.#claims.get(body.device);
    if (claim === undefined) return body;
    if (body.type === 'device.found') return withSensor(body, claimJson(claim));
    const input = body.data['input'];
    if (!SENSED.has(body.type) || (typeof input === 'string' && OWN_FINDING.test(input))) return body;
    return withSensor(body, { boot: claim.boot, session: claim.session });
  }
}

/** Members stay in the order of their names, in which the leaf is written. */
function withSensor(body: EventBody, sensor: Json): EventBody {
  const members = Object.entries({ ...body.data, sensor }).sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...body, data: Object.fromEntries(members) };
}

function claimJson({ boot, firmware, key, mac, model, nonce, session, version }: SensorClaim): Json {
  return {
    boot,
    ...(firmware !== undefined && { firmware }),
    key,
    ...(mac !== undefined && { mac }),
    ...(model !== undefined && { model }),
    ...(nonce !== undefined && { nonce }),
    session,
    ...(version !== undefined && { version }),
  };
}
