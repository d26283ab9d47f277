/** The section of RESULTS.md about the open wire, which also a run of this stage alone renews. */
import { getPriority } from 'node:os';
import type { OpenWireFigures, WireLine } from './bench.ts';
import type { Machine } from './proc.ts';

export const OPEN_WIRE_HEAD = '## The open wire at the speed of its line';

/**
 * OSDP's bytes, by its packet: 5 of header, 2 of security block and 4 of MAC in a secure channel, 1 of command or reply, data, 2 of CRC;
 * data of an encrypted packet is padded to blocks of 16, with one byte at least. (IEC 60839-11-5:2020 clause 5.9 and
 * annex D; the same in libosdp, doc/protocol/packet-structure.rst.)
 */
export function osdpBytes(dataBytes: number, channel: 'plain' | 'secure'): number {
  if (channel === 'plain') return 8 + dataBytes;
  return 14 + (dataBytes === 0 ? 0 : 16 * Math.ceil((dataBytes + 1) / 16));
}

interface Computed {
  readonly what: string;
  readonly out: number;
  readonly back: number;
}

const CHANNELS = 12;
const OSDP: readonly Computed[] = [
  { what: 'OSDP plain, POLL and ACK', out: osdpBytes(0, 'plain'), back: osdpBytes(0, 'plain') },
  { what: 'OSDP plain, ISTAT and ISTATR of 12 inputs', out: osdpBytes(0, 'plain'), back: osdpBytes(CHANNELS, 'plain') },
  { what: 'OSDP secure, POLL and ACK', out: osdpBytes(0, 'secure'), back: osdpBytes(0, 'secure') },
  {
    what: 'OSDP secure, ISTAT and ISTATR of 12 inputs',
    out: osdpBytes(0, 'secure'),
    back: osdpBytes(CHANNELS, 'secure'),
  },
];

export function openWireText(found: OpenWireFigures, machine: Machine, busyCores: number, date: string): string {
  const bauds = [...new Set(found.lines.map(({ baud }) => baud))];
  const measured = found.lines.map(
    (one) =>
      `| ${one.protocol} | ${one.baud} | ${one.bytesOut} + ${one.bytesBack} | ${wireMs(one, one.baud).toFixed(1)} ms | ${one.leastMs.toFixed(1)}, ${one.p50Ms.toFixed(1)}, ${one.p99Ms.toFixed(1)} ms | ${one.perS.toFixed(1)} | ${one.looks} |`,
  );
  const computed = OSDP.flatMap(({ what, out, back }) =>
    bauds.map(
      (baud) =>
        `| ${what} | ${baud} | ${out} + ${back} | ${wireMs({ bytesOut: out, bytesBack: back }, baud).toFixed(1)} ms | computed | | |`,
    ),
  );
  const costs = found.costs.map(
    ({ bodyBytes, cUs, tsUs }) => `| ${bodyBytes} | ${cUs.toFixed(1)} us | ${tsUs.toFixed(0)} us |`,
  );
  return `${OPEN_WIRE_HEAD}

${date}, Node ${machine.node}; just before it other work kept ${busyCores.toFixed(2)} of ${machine.cores} cores busy${busyCores > 0.3 ? ', so that the least are nearest to what a quiet machine shows' : ''}${niceText()}. One look at 12 doors. The gateway's
drivers at their smallest pauses (the open wire rests 5 ms between two rounds, a bus of boards its turnaround of 2 ms), the
example firmware in C (open wire) and a simulated board (8A/80) as processes on pseudo-terminals, a paced cable between them: bytes arrive when
their last bit would have. A look is from the first bit of the question to the last of the answer, the device's time and that of
the pseudo-terminals between included. OSDP is computed from its packets, without anybody's time.

| protocol | baud | bytes, both ways | on the wire | a look, least, p50, p99 | looks/s | looked |
|---|---|---|---|---|---|---|
${[...measured, ...computed].join('\n')}

A message of the open wire costs 22 bytes more than its body, OSDP's 8 in the clear, 14 with its MAC, and up to 16 of padding
when it is encrypted.

A frame sealed, framed, cut out of its bytes and opened again, which is the work of both sides for it, in processor time:

| body, bytes | C, -O2 | TypeScript, node:crypto |
|---|---|---|
${costs.join('\n')}
`;
}

/** A run that was put before or behind other work says so. */
function niceText(): string {
  const nice = getPriority();
  return nice === 0 ? '' : `; it ran at nice ${nice}`;
}

function wireMs({ bytesOut, bytesBack }: Pick<WireLine, 'bytesOut' | 'bytesBack'>, baud: number): number {
  return ((bytesOut + bytesBack) * 10_000) / baud;
}

/** RESULTS.md with this section in the place of the one before, or at its end. */
export function withOpenWire(results: string, section: string): string {
  const at = results.indexOf(OPEN_WIRE_HEAD);
  if (at < 0) return `${results.trimEnd()}\n\n${section}`;
  const next = results.indexOf('\n## ', at);
  return `${results.slice(0, at)}${section}${next < 0 ? '' : results.slice(next)}`;
}
