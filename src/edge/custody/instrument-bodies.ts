/** Event bodies of scales, receivers and cameras, member by member in the order of their names. */
import { base64url } from '../../base/bytes.ts';
import type { EventBody, Json } from '../../evidence/event/event.ts';
import type { PhotoReading } from '../contracts/reading.ts';
import type { PositionTold } from './position.ts';

const ACCURACY_MAX_M = 100_000;
const DISTANCE_MAX_M = 40_100_000;
const FIX_AGE_MAX_MS = 31_622_400_000;

type Mutable = Record<string, Json>;

export function weightBody(device: string, compartment: string | undefined, grams: number): EventBody {
  const data = { stable: true, weight_g: grams };
  return compartment === undefined
    ? { data, device, type: 'weight.measured' }
    : { compartment, data, device, type: 'weight.measured' };
}

/** Thousandths of a degree and hundreds of metres: where a locker stands, not where a person stood in front of it. */
export function locationBody(device: string, told: PositionTold): EventBody {
  const { verdict, latitude, longitude, accuracyM, distanceM, fixAgeMs } = told;
  const data: Mutable = {};
  if (accuracyM !== undefined) data['accuracy_m'] = Math.min(accuracyM, ACCURACY_MAX_M);
  if (distanceM !== undefined) data['distance_m'] = Math.min(Math.round(distanceM / 100) * 100, DISTANCE_MAX_M);
  if (fixAgeMs !== undefined) data['fix_age_ms'] = Math.min(fixAgeMs, FIX_AGE_MAX_MS);
  data['geofence'] = verdict;
  if (latitude !== undefined) data['lat_mdeg'] = thousandths(latitude);
  if (longitude !== undefined) data['lon_mdeg'] = thousandths(longitude);
  return { data, device, type: 'location.fixed' };
}

export function photoBody(reading: PhotoReading): EventBody {
  const { cause, compartment, device, kept, mediaType, sha256, sizeBytes } = reading;
  const data: Mutable = { cause };
  if (!kept) data['kept'] = false;
  data['media_type'] = mediaType;
  data['sha256'] = base64url(sha256);
  data['size_bytes'] = sizeBytes;
  return compartment === undefined
    ? { data, device, type: 'photo.captured' }
    : { compartment, data, device, type: 'photo.captured' };
}

/** Never -0. */
function thousandths(microdegrees: number): number {
  return Math.round(microdegrees / 1_000) + 0;
}
