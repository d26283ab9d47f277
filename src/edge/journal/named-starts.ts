/**
 * Starts that an event names beside its own: they count in the log that the event stands in, or are not named at all.
 *
 * A log that opened while the daemon runs has seen one start, the running one, whatever number that has in the log
 * before. Who drafts an event cannot know in which log it lands (a rotation or a quarantine may come while it waits for
 * the disk), so here, where it lands, members that name an earlier start are left out with the times that are in it.
 */
import type { EventBody, Json, JsonObject } from '../../evidence/event/event.ts';

/** The body as it may stand in a log that has seen no start but the running one. The same object when nothing changes. */
export function withoutEarlierStarts(body: EventBody): EventBody {
  const data = withoutStarts(body.data);
  const isSeenEarlier = body.seen?.from_boot !== undefined;
  if (data === body.data && !isSeenEarlier) return body;
  const { seen, ...rest } = body;
  return { ...rest, ...(seen !== undefined && !isSeenEarlier && { seen }), data };
}

function withoutStarts(data: JsonObject): JsonObject {
  const { door, scans, blind } = data;
  const isNamed = namesStart(door) || namesStart(blind) || (Array.isArray(scans) && scans.some(namesStart));
  if (!isNamed) return data;
  return {
    ...data,
    ...(isObject(blind) && {
      blind: blind['from_boot'] === undefined ? blind : without(blind, 'from_boot', 'from_up_ms'),
    }),
    ...(isObject(door) && { door: doorOf(door) }),
    ...(Array.isArray(scans) && { scans: scans.map(scanOf) }),
  };
}

/** Of a door's interval, a scan or a blind span: whether it or a part of it names a start. */
function namesStart(value: Json | undefined): boolean {
  if (!isObject(value)) return false;
  const { boot, from_boot, opened_boot, closed_boot, opened, closed } = value;
  const own = [boot, from_boot, opened_boot, closed_boot];
  return own.some((each) => each !== undefined) || namesStart(opened) || namesStart(closed);
}

function doorOf(door: JsonObject): JsonObject {
  const openedElsewhere = door['opened_boot'] !== undefined || namesStart(door['opened']);
  const closedElsewhere = door['closed_boot'] !== undefined || namesStart(door['closed']);
  return without(
    door,
    ...(openedElsewhere ? ['opened', 'opened_boot'] : []),
    ...(closedElsewhere ? ['closed', 'closed_boot'] : []),
  );
}

function scanOf(scan: Json): Json {
  return isObject(scan) && scan['boot'] !== undefined ? without(scan, 'boot', 'up_ms') : scan;
}

function without(value: JsonObject, ...names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
