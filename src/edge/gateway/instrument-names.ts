/** What custody says of scales, receivers and cameras must name ones that are there. */
import type { z } from 'zod';

const SCALES: ReadonlySet<string> = new Set(['mt_sics', 'toledo_continuous']);

export interface InstrumentNames {
  readonly ports: readonly { readonly devices: readonly { readonly name: string; readonly driver: string }[] }[];
  readonly photos: { readonly sources: readonly { readonly name: string }[] };
  readonly custody: {
    readonly compartments: readonly { readonly scale?: string | undefined; readonly camera?: string | undefined }[];
    readonly position?: { readonly device: string } | undefined;
  };
}

export function checkInstruments(settings: InstrumentNames, context: z.RefinementCtx): void {
  const issue = (path: PropertyKey[], message: string, input: unknown): void =>
    context.addIssue({ code: 'custom', path, message, input });
  const devices = settings.ports.flatMap((port) => port.devices);
  const drivers = new Map(devices.map(({ name, driver }) => [name, driver]));
  const sources = settings.photos.sources.map(({ name }) => name);
  for (const [i, name] of sources.entries()) {
    if (!drivers.has(name) && sources.indexOf(name) === i) continue;
    issue(['photos', 'sources', i, 'name'], 'a name that no other device has', name);
  }
  const { compartments, position } = settings.custody;
  for (const [i, { scale, camera }] of compartments.entries()) {
    const path = ['custody', 'compartments', i];
    if (scale !== undefined && !SCALES.has(drivers.get(scale) ?? ''))
      issue([...path, 'scale'], 'the name of a scale under ports', scale);
    if (camera !== undefined && !sources.includes(camera))
      issue([...path, 'camera'], 'the name of a source under photos', camera);
  }
  if (position !== undefined && drivers.get(position.device) !== 'nmea')
    issue(['custody', 'position', 'device'], 'the name of a position receiver (nmea) under ports', position.device);
}
