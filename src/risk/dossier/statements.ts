/** Successor statements that intake verified and kept: those that lead to the logs of a bundle, oldest first. */
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

export async function statementsOf(
  trx: Transaction<Database>,
  origins: readonly string[],
): Promise<readonly Envelope[]> {
  const gateways = [...new Set(origins.map(gatewayOf))];
  if (gateways.length === 0) return [];
  const rows = await trx
    .selectFrom('custody.trust')
    .select('record')
    .where('gateway', 'in', gateways)
    .orderBy('id')
    .execute();
  const links = rows.flatMap(({ record }) => linkOf(record));
  const needed = new Set<Link>();
  // Each log's predecessors, and theirs: a statement that leads elsewhere is of no use here.
  for (let open = new Set(origins); open.size > 0; ) {
    const next = new Set<string>();
    for (const link of links) {
      if (!open.has(link.name) || needed.has(link)) continue;
      needed.add(link);
      next.add(link.old);
    }
    open = next;
  }
  return links.filter((link) => needed.has(link)).map(({ envelope }) => envelope);
}

function linkOf(text: string): readonly Link[] {
  const record = JSON.parse(text) as { readonly kind?: string; readonly statement?: string };
  const envelope = record.kind === 'successor' ? parseEnvelopeText(record.statement ?? '') : undefined;
  const parsed = envelope?.ok ? parseSuccessor(envelope.value) : undefined;
  if (envelope?.ok !== true || parsed?.ok !== true) return [];
  return [{ old: parsed.value.old, name: parsed.value.successor.name, envelope: envelope.value }];
}
