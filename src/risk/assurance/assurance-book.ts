/**
 * What anchors prove of each stored log, kept up to date as entries arrive: the level of an entry is then a comparison.
 *
 * Each log is read on from where the last look ended, and only entries that may speak of anchors leave the database.
 * What they say is verified once, under the AK and counter that the policy (or a record of one of its services) names,
 * and kept; with other keys it is read anew. A log is judged again when anything was read, with all logs of its gateway.
 */
import { sql, type Transaction } from 'kysely';
import { concatBytes, equalBytes, hex, unhex, utf8 } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import { rootOf } from '../../evidence/log/tree.ts';
import { anchorTrustOf } from '../../evidence/verify/anchors.ts';
import { type TrustedRange, trustedRange } from '../../evidence/verify/entry-levels.ts';
import { type BelievedLog, believedLogs } from '../../evidence/verify/trust.ts';
import { type Envelope, parseEnvelopeText } from '../../evidence/wire/envelope.ts';
import type { PartitionLeases } from '../intake/sql-store/leases.ts';
import type { HeldLog, HeldSegment, IntakeStore, TrustRecord } from '../intake/store.ts';
import { asTrustPolicy, type IntakePolicy } from '../intake/trust.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Database } from '../store/schema.ts';
import {
  type Attested,
  anchoredTree,
  eventOf,
  formatAttested,
  isEmpty,
  joined,
  parseAttested,
  readAttested,
} from './attestation.ts';
import { type KeptLog, type Proved, proveLogs, sealing } from './levels.ts';
import { noteAnchors } from './note-anchors.ts';
import { PolicyByGateway } from './policy-by-gateway.ts';
import { heldCount, newestCosigned, stretchesOf } from './stretches.ts';

type Trx = Transaction<Database>;

export interface AssuranceParts {
  readonly database: RiskDatabase;
  /** Of the same database: what is held, and the trees in it. */
  readonly store: Pick<IntakeStore, 'load' | 'frontierAt'>;
  readonly crypto: EvidenceCrypto;
  readonly tenant: string;
  readonly region: string;
  readonly policy: () => IntakePolicy;
  /** Independent witnesses whose cosignatures count; none unless given. */
  readonly witnesses?: readonly Vkey[];
  /** Of several receivers on the database each looks after its own gateways; all are looked at when absent. */
  readonly leases?: Pick<PartitionLeases, 'holds' | 'fence'>;
}

interface LogRow {
  readonly origin: string;
  readonly positions: number;
  readonly position: number | null;
  readonly held_first: number | null;
  readonly trust: string | null;
  readonly sealed: boolean | null;
  readonly revoked_size: number | null;
  readonly revoked_first: number | null;
  readonly why: string | null;
  readonly emulated: boolean | null;
  readonly cosigned_size: number | null;
  readonly cosigned_due: number | null;
  readonly cosigned_judged: number | null;
}

interface SpeakingRow {
  readonly n: number;
  readonly position: number;
  readonly leaf: Uint8Array | null;
  readonly status: string;
  readonly why: string | null;
}

/** What one look at a log found. */
interface Look {
  readonly origin: string;
  readonly trust: string;
  readonly believed: BelievedLog | undefined;
  readonly from: number;
  readonly position: number;
  readonly heldFirst: number;
  readonly trusted: TrustedRange | undefined;
  /** Newest cosignature that counts, and how many there were when it was looked for. */
  readonly cosignedSize: number;
  readonly cosignedDue: number;
  readonly fresh: readonly { readonly n: number; readonly attested: Attested }[];
}

const PAGE_ROWS = 1_000;
/** Types of entries that say something about anchors, as they stand in a leaf. */
const SPEAKING = ['anchor.made', 'gateway.started', 'journal.opened', 'key.attested'].map((type) => `"type":"${type}"`);

export class AssuranceBook {
  readonly #parts: AssuranceParts;
  /** Under which everything was looked at. */
  #policy: IntakePolicy | undefined;
  #newestTrust = 0;
  /** Passed over because others look after them: whoever did may be gone before he has looked. */
  readonly #owed = new Set<string>();
  readonly #perGateway = new PolicyByGateway();

  constructor(parts: AssuranceParts) {
    this.#parts = parts;
  }

  /** Looks at every gateway of which something was stored since, or of which other words count now. */
  async catchUp(signal?: AbortSignal): Promise<number> {
    const policy = this.#parts.policy();
    const all = this.#policy !== policy;
    const { gateways, newest } = await this.#changed(all);
    let changed = 0;
    for (const gateway of gateways) this.#owed.add(gateway);
    for (const gateway of this.#owed) {
      signal?.throwIfAborted();
      if (this.#parts.leases?.holds(gateway) === false) continue;
      const judged = await this.refresh(gateway);
      if (judged === 'judged') changed += 1;
      if (judged !== 'fenced') this.#owed.delete(gateway);
    }
    this.#policy = policy;
    this.#newestTrust = newest;
    return changed;
  }

  #changed(all: boolean): Promise<{ readonly gateways: readonly string[]; readonly newest: number }> {
    return this.#parts.database.as('custody', async (trx) => {
      const { newest } = await trx
        .selectFrom('custody.trust')
        .select(({ fn }) => fn.max('id').as('newest'))
        .executeTakeFirstOrThrow();
      const { rows } = await sql<{ readonly gateway: string }>`
        select l.gateway from custody.log l left join custody.assurance a on a.origin = l.origin
          where ${all} or a.position is distinct from l.positions or a.cosigned_due <> a.cosigned_judged
        union select gateway from custody.trust where id > ${this.#newestTrust} order by gateway`.execute(trx);
      return { gateways: rows.map(({ gateway }) => gateway), newest: Number(newest ?? 0) };
    });
  }

  /** `fenced`: another looks after the gateway by now, and nothing was noted. */
  async refresh(gateway: string): Promise<'judged' | 'known' | 'fenced'> {
    const held = await this.#parts.store.load(gateway);
    const believed = this.#believed(gateway, held.trust);
    // Judged is what was held when it was loaded. Of what came since, and may have filled a gap, the next look hears.
    const rows = (await this.#rowsOf(gateway)).map((row) => {
      return { ...row, positions: Math.min(row.positions, heldCount(held.logs, row.origin)) };
    });
    const looks: Look[] = [];
    const cosigned = await newestCosigned(
      this.#parts,
      rows.map(({ origin }) => origin),
    );
    for (const row of rows) {
      const segments = held.logs.find(({ origin }) => origin === row.origin)?.segments ?? [];
      const trusted = await this.#trusted(row.origin, believed.get(row.origin), segments);
      looks.push({ ...(await this.#look(row, believed.get(row.origin), cosigned.get(row.origin) ?? 0)), trusted });
    }
    const isKnown = (look: Look, i: number): boolean => {
      const row = rows[i];
      const { sealed, emulated, why } = sealing(look.believed);
      const isRead = row?.position === look.position && row.trust === look.trust;
      const { first = 0, end } = look.trusted ?? {};
      const isRevoked = (row?.revoked_size ?? undefined) === end && row?.revoked_first === first;
      const isCosigned = row?.cosigned_size === look.cosignedSize && row.cosigned_judged === look.cosignedDue;
      return isRead && isRevoked && isCosigned && row.sealed === sealed && row.emulated === emulated && row.why === why;
    };
    if (looks.every(isKnown)) return 'known';
    if (!(await this.#keep(gateway, looks))) return 'fenced';
    const kept: KeptLog[] = [];
    for (const look of looks) kept.push(await this.#keptOf(look, held.logs));
    return (await this.#note(gateway, proveLogs(kept), looks)) ? 'judged' : 'fenced';
  }

  #believed(gateway: string, records: readonly TrustRecord[]): ReadonlyMap<string, BelievedLog> {
    const envelopes = (texts: readonly string[]): Envelope[] =>
      texts.flatMap((text) => {
        const envelope = parseEnvelopeText(text);
        return envelope.ok ? [envelope.value] : [];
      });
    const { crypto, policy } = this.#parts;
    const statements = envelopes(records.flatMap((each) => (each.kind === 'successor' ? [each.statement] : [])));
    const enrolled = envelopes(records.flatMap((each) => (each.kind === 'enrolled' ? [each.record] : [])));
    return believedLogs(crypto, asTrustPolicy(this.#perGateway.of(policy(), gateway)), {
      statements,
      records: enrolled,
    }).logs;
  }

  async #rowsOf(gateway: string): Promise<readonly LogRow[]> {
    return this.#parts.database.as('custody', (trx) =>
      trx
        .selectFrom('custody.log as l')
        .leftJoin('custody.assurance as a', 'a.origin', 'l.origin')
        .select([
          'l.origin',
          'l.positions',
          'a.position',
          'a.held_first',
          'a.trust',
          'a.sealed',
          'a.revoked_size',
          'a.revoked_first',
          'a.why',
          'a.emulated',
          'a.cosigned_size',
          'a.cosigned_due',
          'a.cosigned_judged',
        ])
        .where('l.gateway', '=', gateway)
        .orderBy('l.origin')
        .execute(),
    );
  }

  async #look(row: LogRow, believed: BelievedLog | undefined, cosignedSize: number): Promise<Omit<Look, 'trusted'>> {
    const { origin, positions } = row;
    const trust = this.#trustOf(believed);
    const isSame = row.trust === trust;
    const from = isSame ? (row.position ?? 0) : 0;
    const keys = believed && anchorTrustOf(this.#parts.crypto, believed);
    const cosigned = { cosignedSize, cosignedDue: row.cosigned_due ?? 0 };
    const base = { origin, trust, believed, from, position: positions, ...cosigned, fresh: [] };
    let heldFirst = isSame ? (row.held_first ?? 0) : 0;
    if (keys === undefined) return { ...base, heldFirst };
    const fresh: { n: number; attested: Attested }[] = [];
    for (let at = from; at < positions; ) {
      const page = await this.#speaking(origin, at, positions);
      for (const { n, leaf, status, why } of page) {
        const event = leaf === null || (status === 'opaque' && why === 'unknown_version') ? undefined : eventOf(leaf);
        if (event === undefined) {
          // It might have been an anchor: nothing before it is called absent.
          heldFirst = Math.max(heldFirst, n + 1);
          continue;
        }
        const tree = anchoredTree(event);
        const root = tree && (await this.#rootAt(tree.origin, tree.size));
        const attested = readAttested(this.#parts.crypto, keys, { origin, n, event }, () => root);
        if (!isEmpty(attested)) fresh.push({ n, attested });
      }
      const last = page.at(-1);
      at = page.length < PAGE_ROWS || last === undefined ? positions : last.position + 1;
    }
    return { ...base, heldFirst, fresh };
  }

  /** Those entries alone that may speak of anchors, or cannot be read. */
  async #speaking(origin: string, from: number, end: number): Promise<readonly SpeakingRow[]> {
    return this.#parts.database.as('custody', (trx) =>
      trx
        .selectFrom('custody.entry')
        .select(['n', 'position', 'leaf', 'status', 'why'])
        .where('origin', '=', origin)
        .where('position', '>=', from)
        .where('position', '<', end)
        .where((eb) =>
          eb.or([
            eb('leaf', 'is', null),
            eb.and([eb('status', '=', 'opaque'), eb('why', '=', 'unknown_version')]),
            ...SPEAKING.map((text) => sql<boolean>`position(${Buffer.from(utf8(text))}::bytea in leaf) > 0`),
          ]),
        )
        .orderBy('position')
        .limit(PAGE_ROWS)
        .execute(),
    );
  }

  /** False when another took the gateway over: then nothing is written. */
  #write(gateway: string, work: (trx: Trx) => Promise<void>): Promise<boolean> {
    const { database, leases } = this.#parts;
    return database.as('custody', async (trx) => {
      if ((await leases?.fence(trx, [gateway]))?.size === 0) return false;
      await work(trx);
      return true;
    });
  }

  #keep(gateway: string, looks: readonly Look[]): Promise<boolean> {
    const { tenant, region } = this.#parts;
    return this.#write(gateway, async (trx) => {
      for (const { origin, trust, fresh } of looks) {
        for (const { n, attested } of fresh) {
          await trx
            .insertInto('custody.attestation')
            .values({ origin, n, trust, body: formatAttested(attested), tenant, region })
            .onConflict((conflict) => conflict.doNothing())
            .execute();
        }
        await sql`insert into custody.assurance (origin, gateway, tenant, region)
          values (${origin}, ${gateway}, ${tenant}, ${region}) on conflict do nothing`.execute(trx);
      }
    });
  }

  /** Everything that was ever read of it under these keys. */
  async #keptOf(look: Look, logs: readonly HeldLog[]): Promise<KeptLog> {
    const { origin, trust, believed, heldFirst, trusted, cosignedSize } = look;
    const segments = logs.find((log) => log.origin === origin)?.segments ?? [];
    const segment = segments.at(-1);
    const end = segment?.end.size ?? 0;
    const first = Math.min(end, Math.max(heldFirst, segment?.first ?? 0));
    const rows = await this.#parts.database.as('custody', (trx) =>
      trx
        .selectFrom('custody.attestation')
        .select('body')
        .where('origin', '=', origin)
        .where('trust', '=', trust)
        // Nothing that stands above a revocation counts, whatever it is about.
        .$if(trusted !== undefined, (rest) => rest.where('n', '<', trusted?.end ?? 0))
        .orderBy('n')
        .execute(),
    );
    const attested: Attested[] = [];
    for (const { body } of rows) {
      const one = parseAttested(body);
      const anchors = [];
      for (const anchor of one.anchors) {
        const root = anchor.tree === 'unknown' ? await this.#rootAt(anchor.origin, anchor.size) : undefined;
        anchors.push(joined(anchor, root));
      }
      attested.push({ ...one, anchors });
    }
    const held = { first: Math.min(first, trusted?.end ?? first), end: Math.min(end, trusted?.end ?? end) };
    const stretches = await stretchesOf(this.#parts, origin, segments, cosignedSize, trusted?.end);
    const inEntries = attested.flatMap(({ anchors }) => anchors).filter((one) => one.origin === origin);
    const sizes = inEntries.filter(({ tree }) => tree === 'same').map(({ size }) => size);
    const anchors = await noteAnchors(this.#parts, believed, stretches, sizes);
    attested.push({ anchors, starts: [], times: [] });
    return { origin, trust, believed, held, attested, stretches, ...(trusted !== undefined && { trusted }) };
  }

  #note(gateway: string, proved: readonly Proved[], looks: readonly Look[]): Promise<boolean> {
    return this.#write(gateway, async (trx) => {
      for (const one of proved) {
        const { origin, sealed, emulated, anchoredSize, witnessedSize, trusted, refuted, why } = one;
        const look = looks.find((each) => each.origin === origin);
        if (look === undefined) continue;
        await trx
          .updateTable('custody.assurance')
          .set({
            position: look.position,
            held_first: look.heldFirst,
            trust: look.trust,
            sealed,
            emulated,
            segment_first: one.segmentFirst,
            below: one.below.length === 0 ? null : JSON.stringify(one.below),
            anchored_size: anchoredSize,
            witnessed_size: witnessedSize,
            cosigned_size: look.cosignedSize,
            cosigned_judged: look.cosignedDue,
            revoked_size: trusted?.end ?? null,
            revoked_first: trusted?.first ?? 0,
            refuted: refuted ?? null,
            why,
          })
          .where('origin', '=', origin)
          .execute();
      }
    });
  }

  /** Where no stored tree is shown to be the one that the revocation names, nothing of it counts. */
  async #trusted(
    origin: string,
    believed: BelievedLog | undefined,
    segments: readonly HeldSegment[],
  ): Promise<TrustedRange | undefined> {
    const at = believed?.revokedAt;
    if (at === undefined) return undefined;
    const root = await this.#rootAt(origin, at.size);
    const isSame = root !== undefined && equalBytes(root, at.root);
    return trustedRange(
      at.size,
      isSame,
      segments.map(({ first, end }) => ({ first, end: end.size })),
    );
  }

  async #rootAt(origin: string, size: number): Promise<Uint8Array | undefined> {
    const tree = await this.#parts.store.frontierAt(origin, size);
    return tree && rootOf(this.#parts.crypto, tree);
  }

  /** What the levels of a log stand on: other words about it, and it is judged anew. Empty without AK and counter. */
  #trustOf(log: BelievedLog | undefined): string {
    const { crypto } = this.#parts;
    if (log?.ak === undefined || log.counter === undefined) return '';
    const counter = unhex(log.counter) ?? new Uint8Array();
    return hex(crypto.sha256(concatBytes(log.ak, counter))).slice(0, 32);
  }
}
