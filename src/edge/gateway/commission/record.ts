/**
 * What was commissioned, beside the events that say so: kept by the journal in the transaction of the event. The settings
 * decide what a bit means; where they say something else than what was seen, the status says so until they agree.
 */
import { z } from 'zod';
import type { Finding } from '../../contracts/console-view.ts';
import { FINDINGS, finding } from '../findings.ts';
import type { GatewaySettings } from '../settings.ts';

export type Polarity = 'closed_is_1' | 'closed_is_0';

const recordSchema = z.strictObject({
  v: z.literal(1),
  compartments: z.record(
    z.string(),
    z.strictObject({
      device: z.string(),
      channel: z.int(),
      polarity: z.enum(['closed_is_1', 'closed_is_0']),
      at: z.string(),
    }),
  ),
});

export type Commissioned = z.infer<typeof recordSchema>['compartments'][string];
export type Records = Readonly<Record<string, Commissioned>>;

export function formatRecords(records: Records): string {
  return JSON.stringify({ v: 1, compartments: records });
}

/** Undefined for what is no such text. */
export function parseRecords(text: string | undefined): Records | undefined {
  if (text === undefined) return {};
  try {
    return recordSchema.parse(JSON.parse(text)).compartments;
  } catch {
    return undefined;
  }
}

type Place = GatewaySettings['custody']['compartments'][number];

function contradicts({ device, channel, polarity }: Place, seen: Commissioned): boolean {
  // Wired elsewhere since: what was seen is of another lock.
  return seen.polarity !== polarity && seen.device === device && seen.channel === channel;
}

/** Compartments whose contact means the opposite by the settings of what it meant when a person moved the door. */
export function contradicted(compartments: readonly Place[], records: Records): ReadonlySet<string> {
  const names = compartments.flatMap((each) => {
    const seen = records[each.name];
    return seen !== undefined && each.polarity !== undefined && contradicts(each, seen) ? [each.name] : [];
  });
  return new Set(names);
}

/** Where the settings and what was seen contradict each other. */
export function contradictions(
  compartments: GatewaySettings['custody']['compartments'],
  records: Records,
): readonly Finding[] {
  return compartments.flatMap((each) => {
    const { name, polarity } = each;
    const seen = records[name];
    if (seen === undefined || !contradicts(each, seen)) return [];
    const says = polarity === undefined ? 'the settings say nothing' : `the settings say ${polarity}`;
    const { remedy } = FINDINGS.polarity_contradicted;
    const text = `compartment ${name} was commissioned as ${seen.polarity} at ${seen.at}, and ${says}: ${remedy}`;
    return [finding('polarity_contradicted', text, name)];
  });
}
