/**
 * Successor statements that intake verified and kept: those that lead to the logs of a bundle, oldest first. Where there are
 * more than a bundle takes, those next to its logs: a reader may know a log between by his policy or by a record.
 */
import type { Transaction } from 'kysely';
import { type Envelope, parseEnvelopeText } from '../../evidence/wire/envelope.ts';
import { parseSuccessor } from '../../evidence/wire/successor.ts';
import type { Database } from '../store/schema.ts';

interface Link {
  readonly old: string;
  readonly name: string;
  readonly envelope: Envelope;
}

export function gatewayOf(origin: string): string {
  return origin.split('/')[1] ?? '';
}

export interface Chains {
  readonly statements: readonly Envelope[];
  /** Further ones, which found no room. */
  readonly omitted: number;
}

export async function statementsOf(
  trx: Transaction<Database>,
  origins: readonly string[],
  most: number,
): Promise<Chains> {
  const gateways = [...new Set(origins.map(gatewayOf))];
  if (gateways.length === 0) return { statements: [], omitted: 0 };
  const rows = await trx
    .selectFrom('custody.trust')
    .select('record')
    .where('gateway', 'in', gateways)
    .orderBy('id')
    .execute();
  const links = rows.flatMap(({ record }) => linkOf(record));
  const byName = new Map<string, Link[]>();
  for (const link of links) byName.set(link.name, [...(byName.get(link.name) ?? []), link]);
  // Each log's predecessors, and theirs, the nearest first: a statement that leads elsewhere is of no use here.
  const needed = new Set<Link>();
  const seen = new Set<string>();
  for (let open = new Set(origins); open.size > 0; ) {
    const next = new Set<string>();
    for (const name of open) {
      seen.add(name);
      for (const link of byName.get(name) ?? []) {
        needed.add(link);
        if (!seen.has(link.old)) next.add(link.old);
      }
    }
    open = next;
  }
  const nearest = new Set([...needed].slice(0, most));
  const statements = links.filter((link) => nearest.has(link)).map(({ envelope }) => envelope);
  return { statements, omitted: needed.size - nearest.size };
}

function linkOf(text: string): readonly Link[] {
  const record = JSON.parse(text) as { readonly kind?: string; readonly statement?: string };
  const envelope = record.kind === 'successor' ? parseEnvelopeText(record.statement ?? '') : undefined;
  const parsed = envelope?.ok ? parseSuccessor(envelope.value) : undefined;
  if (envelope?.ok !== true || parsed?.ok !== true) return [];
  return [{ old: parsed.value.old, name: parsed.value.successor.name, envelope: envelope.value }];
}
