/** What a probe found on a port, as an entry of `ports:`. */
import { basename } from 'node:path';
import type { Found } from '../../edge/drivers/probe/plan.ts';
import type { ProbeResult } from '../../edge/drivers/probe/probe.ts';
import { deviceSchema } from '../../edge/drivers/settings.ts';
import type { PortSettings } from '../../edge/ports/settings.ts';

export interface FoundDevice {
  readonly name: string;
  readonly driver: string;
  readonly address?: number;
  readonly channels?: number;
  readonly make?: string;
}

export interface FoundPort {
  readonly name: string;
  readonly link: Readonly<Record<string, unknown>>;
  readonly devices: readonly FoundDevice[];
}

/** Names of families, where `driver:` has another word. */
const DRIVERS: Readonly<Record<string, string>> = { ssi: 'ssi_scanner', toledo: 'toledo_continuous' };
const MAKES: ReadonlySet<string> = new Set(['honeywell', 'datalogic', 'newland', 'opticon']);
const NAME_MAX = 40;

/** Names are unique in the whole gateway, so they are given out by one object. */
export class DeviceNames {
  readonly #counts = new Map<string, number>();
  readonly #ports = new Set<string>();

  device(kind: Found['kind']): string {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    return `${kind}-${count}`;
  }

  port(link: PortSettings['link']): string {
    const from = link.kind === 'tcp' ? `tcp-${link.port}` : basename(link.path);
    const plain = from
      .replace(/[^A-Za-z0-9.-]+/g, '-')
      .replace(/\d{13,}/g, '')
      .slice(0, NAME_MAX);
    let name = plain;
    for (let more = 2; this.#ports.has(name); more += 1) name = `${plain}-${more}`;
    this.#ports.add(name);
    return name;
  }
}

/** Undefined when nothing was found, or nothing that has a driver. */
export function portOf(link: PortSettings['link'], result: ProbeResult, names: DeviceNames): FoundPort | undefined {
  const devices = result.found.flatMap((found) => deviceOf(found, names) ?? []);
  if (devices.length === 0) return undefined;
  const baud = result.found.find((found) => found.baud !== undefined && found.baud > 0)?.baud;
  const place = link.kind === 'tcp' ? { host: link.host, port: link.port } : { path: link.path };
  return {
    name: names.port(link),
    link: { kind: link.kind, ...place, ...(baud !== undefined && { baud }) },
    devices,
  };
}

function deviceOf({ kind, family, address, channels }: Found, names: DeviceNames): FoundDevice | undefined {
  const isMake = MAKES.has(family);
  const driver = isMake ? 'text_scanner' : (DRIVERS[family] ?? family);
  const plain = { driver, ...(isMake && { make: family }), ...(address !== undefined && { address }) };
  // An answer may cover another number of channels than boards of this family are sold with.
  const tries = channels === undefined ? [plain] : [{ ...plain, channels }, plain];
  const fits = tries.find((device) => deviceSchema.safeParse({ ...device, name: 'a' }).success);
  return fits === undefined ? undefined : { name: names.device(kind), ...fits };
}
