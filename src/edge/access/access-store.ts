/**
 * What access must not forget: credentials with their uses, failures that were counted, openings under way, and two
 * clocks. Each method that changes something is one transaction, and durable when it returns.
 *
 * The clocks: `run` counts the time for which this box has run since the store was made, over all starts; written down
 * with each change and once a minute, so a restart gives back at most a minute. `wall` is the newest wall time that a
 * trusted clock ever said.
 */
import type { Actor } from '../../evidence/event/event.ts';
import { type Connection, guarded, openAccessFile } from './access-file.ts';
import type { AccessMoment, Credential } from './credential.ts';
import { isExpired } from './credential.ts';
import { type Guard, NO_FAILURES } from './lockout.ts';
import { type CodeDigest, sameProof } from './verifier.ts';

export type GrantRefusal = 'code_taken' | 'credential_known' | 'store_full';

export interface Opening {
  readonly intent: Uint8Array;
  readonly credential: string;
  readonly compartment: string;
}

export interface StoreCounts {
  readonly credentials: number;
  /** Of them, those that may still open something. */
  readonly live: number;
}

export interface StoreTime {
  /** Monotonic ms since the start of the daemon. */
  readonly upMs: number;
  /** Undefined when the wall clock cannot be trusted. */
  readonly wallMs: number | undefined;
}

export interface AccessStoreOptions {
  readonly path: string;
  readonly credentialsMax: number;
  readonly now: () => StoreTime;
}

interface Row {
  readonly id: string;
  readonly code_index: Uint8Array | null;
  readonly code_proof: Uint8Array | null;
  readonly actor_kind: string;
  readonly actor_ref: string;
  readonly compartments: string;
  readonly uses_max: number;
  readonly uses: number;
  readonly ends_at_run_ms: number;
  readonly from_wall_ms: number | null;
  readonly until_wall_ms: number | null;
  readonly is_revoked: number;
}

export class AccessStore {
  /** Where a damaged store was put at this start. */
  readonly setAside: string | undefined;
  readonly #path: string;
  readonly #db: Connection;
  readonly #options: AccessStoreOptions;
  /** `run` at the start of this daemon, and `wall` with the `upMs` at which it was said. */
  readonly #runBaseMs: number;
  #wall: { readonly ms: number; readonly atUpMs: number } | undefined;

  /** Throws ACCESS_STORE. */
  constructor(options: AccessStoreOptions) {
    this.#options = options;
    this.#path = options.path;
    const { connection, setAside } = openAccessFile(options.path);
    this.#db = connection;
    this.setAside = setAside;
    const { upMs } = options.now();
    this.#runBaseMs = (this.#clock('run') ?? 0) - upMs;
    const wallMs = this.#clock('wall');
    this.#wall = wallMs === undefined ? undefined : { ms: wallMs, atUpMs: upMs };
  }

  /** What the ends of credentials and locks are compared with. */
  moment(): AccessMoment {
    const { upMs, wallMs } = this.#options.now();
    const floorMs = this.#wall && this.#wall.ms + Math.max(0, upMs - this.#wall.atUpMs);
    // Also when it was set back: what a trusted clock says now counts, or one wrong hour would end every code for good.
    if (wallMs !== undefined) this.#wall = { ms: wallMs, atUpMs: upMs };
    return { runMs: Math.trunc(this.#runBaseMs + upMs), wallMs: wallMs ?? floorMs };
  }

  /** Once a minute: so that a restart gives little time back. */
  tick(): void {
    this.#write(() => undefined);
  }

  grant(credential: Credential, code: CodeDigest): GrantRefusal | undefined {
    return this.#write((now) => {
      if (this.#row(credential.id) !== undefined) return 'credential_known';
      const other = this.#byCode(code);
      if (other !== undefined && isLive(other, now)) return 'code_taken';
      if (other !== undefined) this.#db.prepare('DELETE FROM credentials WHERE id = ?').run(other.id);
      if (!this.#makeRoom(now)) return 'store_full';
      this.#insert(credential, code);
      return undefined;
    });
  }

  /** Also before the grant that it is for, which is then refused. `store_full` only then. */
  revoke(id: string): 'revoked' | 'was_over' | 'store_full' {
    return this.#write((now) => {
      const found = this.#row(id);
      if (found !== undefined) {
        this.#db.prepare('UPDATE credentials SET is_revoked = 1 WHERE id = ?').run(id);
        return isLive(found, now) ? 'revoked' : 'was_over';
      }
      if (!this.#makeRoom(now)) return 'store_full';
      this.#insert({ ...NOTHING_GRANTED, id, endsAtRunMs: now.runMs + TOMBSTONE_MS }, undefined);
      return 'revoked';
    });
  }

  find(code: CodeDigest): Credential | undefined {
    return guarded(this.#path, () => this.#byCode(code));
  }

  get(id: string): Credential | undefined {
    return guarded(this.#path, () => this.#row(id));
  }

  guard(scope: string): Guard {
    return guarded(this.#path, () => {
      const row = this.#db
        .prepare<[string], { failures: number; since_run_ms: number; locked_until_run_ms: number }>(
          'SELECT failures, since_run_ms, locked_until_run_ms FROM guards WHERE scope = ?',
        )
        .get(scope);
      if (row === undefined) return NO_FAILURES;
      return { failures: row.failures, sinceMs: row.since_run_ms, lockedUntilMs: row.locked_until_run_ms };
    });
  }

  setGuards(guards: ReadonlyMap<string, Guard>): void {
    this.#write(() => this.#putGuards(guards));
  }

  /** One use more, and the opening that it is for: before the door hears of it. False when none was left. */
  use(opening: Opening, guards: ReadonlyMap<string, Guard>): boolean {
    return this.#write((now) => {
      const found = this.#row(opening.credential);
      if (found === undefined || !isLive(found, now)) return false;
      this.#db.prepare('UPDATE credentials SET uses = uses + 1 WHERE id = ?').run(opening.credential);
      this.#db
        .prepare('INSERT INTO openings VALUES (?, ?, ?)')
        .run(opening.intent, opening.credential, opening.compartment);
      this.#putGuards(guards);
      return true;
    });
  }

  /** It is over. `givesBack` only when it is certain that no frame left. */
  finish(intent: Uint8Array, givesBack: boolean): void {
    this.#write(() => {
      const opening = this.#openings().find((each) => Buffer.compare(each.intent, intent) === 0);
      if (opening === undefined) return;
      this.#db.prepare('DELETE FROM openings WHERE intent = ?').run(intent);
      if (!givesBack) return;
      this.#db.prepare('UPDATE credentials SET uses = max(0, uses - 1) WHERE id = ?').run(opening.credential);
    });
  }

  /** Openings that an earlier run left under way. */
  openings(): readonly Opening[] {
    return guarded(this.#path, () => this.#openings());
  }

  counts(): StoreCounts {
    return guarded(this.#path, () => {
      const { runMs, wallMs } = this.moment();
      const live = this.#db
        .prepare<[number, number], { n: number }>(
          `SELECT count(*) AS n FROM credentials WHERE is_revoked = 0 AND (uses_max = 0 OR uses < uses_max)
           AND ends_at_run_ms > ? AND (until_wall_ms IS NULL OR until_wall_ms > ?)`,
        )
        .get(runMs, wallMs ?? 0);
      return { credentials: this.#size(), live: live?.n ?? 0 };
    });
  }

  close(): void {
    guarded(this.#path, () => {
      this.#saveClocks();
      this.#db.close();
    });
  }

  #write<T>(work: (now: AccessMoment) => T): T {
    return guarded(this.#path, () =>
      this.#db.transaction(() => {
        const result = work(this.moment());
        this.#saveClocks();
        return result;
      })(),
    );
  }

  #saveClocks(): void {
    const { runMs } = this.moment();
    const put = this.#db.prepare('INSERT INTO clocks VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET ms = excluded.ms');
    put.run('run', runMs);
    const { upMs } = this.#options.now();
    if (this.#wall !== undefined) put.run('wall', Math.trunc(this.#wall.ms + Math.max(0, upMs - this.#wall.atUpMs)));
  }

  #clock(name: string): number | undefined {
    return this.#db.prepare<[string], { ms: number }>('SELECT ms FROM clocks WHERE name = ?').get(name)?.ms;
  }

  #row(id: string): Credential | undefined {
    const row = this.#db.prepare<[string], Row>('SELECT * FROM credentials WHERE id = ?').get(id);
    return row && credentialOf(row);
  }

  #byCode({ index, proof }: CodeDigest): Credential | undefined {
    const rows = this.#db.prepare<[Uint8Array], Row>('SELECT * FROM credentials WHERE code_index = ?').all(index);
    const row = rows.find(({ code_proof }) => code_proof !== null && sameProof(code_proof, proof));
    return row && credentialOf(row);
  }

  #insert(credential: Credential, code: CodeDigest | undefined): void {
    this.#db
      .prepare('INSERT INTO credentials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
      .run(
        credential.id,
        code?.index ?? null,
        code?.proof ?? null,
        credential.actor.kind,
        credential.actor.ref,
        JSON.stringify(credential.compartments),
        credential.usesMax,
        credential.uses,
        credential.endsAtRunMs,
        credential.fromWallMs ?? null,
        credential.untilWallMs ?? null,
        credential.isRevoked ? 1 : 0,
      );
  }

  #putGuards(guards: ReadonlyMap<string, Guard>): void {
    const put = this.#db.prepare('INSERT OR REPLACE INTO guards VALUES (?, ?, ?, ?)');
    for (const [scope, { failures, sinceMs, lockedUntilMs }] of guards)
      put.run(scope, failures, sinceMs, lockedUntilMs);
  }

  #openings(): readonly Opening[] {
    return this.#db
      .prepare<[], Opening>('SELECT intent, credential, compartment FROM openings')
      .all()
      .map((row) => ({ ...row, intent: Uint8Array.from(row.intent) }));
  }

  #size(): number {
    return this.#db.prepare<[], { n: number }>('SELECT count(*) AS n FROM credentials').get()?.n ?? 0;
  }

  /** When it is full, the one that has been over for longest gives way; one that may still open a door never does. */
  #makeRoom({ runMs, wallMs }: AccessMoment): boolean {
    if (this.#size() < this.#options.credentialsMax) return true;
    const dropped = this.#db
      .prepare(
        `DELETE FROM credentials WHERE id = (SELECT id FROM credentials WHERE ends_at_run_ms <= ? OR until_wall_ms <= ?
         OR is_revoked = 1 OR (uses_max > 0 AND uses >= uses_max) ORDER BY ends_at_run_ms LIMIT 1)`,
      )
      .run(runMs, wallMs ?? 0);
    return dropped.changes > 0;
  }
}

/** How long a revocation waits for the grant that it came before. */
const TOMBSTONE_MS = 30 * 86_400_000;
const NOTHING_GRANTED: Omit<Credential, 'id' | 'endsAtRunMs'> = {
  actor: { kind: 'service', ref: '-' },
  compartments: [],
  usesMax: 1,
  uses: 0,
  fromWallMs: undefined,
  untilWallMs: undefined,
  isRevoked: true,
};

function isLive(credential: Credential, now: AccessMoment): boolean {
  const { isRevoked, uses, usesMax } = credential;
  return !isRevoked && (usesMax === 0 || uses < usesMax) && !isExpired(credential, now);
}

function credentialOf(row: Row): Credential {
  return {
    id: row.id,
    actor: { kind: row.actor_kind as Actor['kind'], ref: row.actor_ref },
    compartments: JSON.parse(row.compartments) as readonly string[],
    usesMax: row.uses_max,
    uses: row.uses,
    endsAtRunMs: row.ends_at_run_ms,
    fromWallMs: row.from_wall_ms ?? undefined,
    untilWallMs: row.until_wall_ms ?? undefined,
    isRevoked: row.is_revoked === 1,
  };
}
