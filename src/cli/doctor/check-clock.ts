/** Where this machine's time comes from: events carry it, and a decision weighs it. */
import { type ClockSenses, probeClock } from '../../edge/clock/clock-probe.ts';
import { type Check, fault, sound } from './check.ts';

/** No box of this product was used before it was written. */
const PLAUSIBLE_FROM_MS = Date.UTC(2025, 0, 1);
const PLAUSIBLE_TO_MS = Date.UTC(2100, 0, 1);
const INSTALL = 'install and start chrony ("apt-get install chrony"), and let UDP port 123 out';

export async function checkClock(senses: ClockSenses): Promise<Check> {
  const nowMs = senses.wallMs();
  const shown = new Date(nowMs).toISOString();
  if (nowMs < PLAUSIBLE_FROM_MS || nowMs >= PLAUSIBLE_TO_MS) {
    return fault('clock', `the clock shows ${shown}, which cannot be`, `set it, replace its battery, and ${INSTALL}`);
  }
  const { src, err_ms: errorMs } = await probeClock(senses);
  if (src === 'ntp' || src === 'gps') {
    const within = errorMs === undefined ? '' : `, within ${errorMs} ms`;
    return sound('clock', `${shown}, synchronised by ${src}${within}`);
  }
  const source = src === 'rtc' ? 'the hardware clock alone' : 'nothing that chrony or systemd-timesyncd would say';
  return fault('clock', `${shown}, from ${source}: events say so, and count for less in a dispute`, INSTALL);
}
