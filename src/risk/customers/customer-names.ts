/**
 * Pseudonyms of customers, and of operators beside whom customers live: keyed hashes, so that the database alone says of
 * nobody who it is. What came in clear is turned into one before anything of it is stored, and is kept nowhere.
 *
 * The key lies in a file like the others, made at the first start. Without it nothing new would meet what is stored, so
 * a database with names under another key is refused. Replicas share one file.
 */
import { sql } from 'kysely';
import { hex, utf8 } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { pseudonym, type ReferenceKey } from '../../evidence/event/reference.ts';
import { openNamedKey } from '../../platform/named-key-file.ts';
import type { RiskDatabase } from '../store/open-database.ts';

export interface CustomerNamesParts {
  readonly crypto: EvidenceCrypto;
  readonly database: RiskDatabase;
  readonly path: string;
  readonly tenant: string;
}

/** An Ed25519 signature is one for each key and message (RFC 8032), and nobody without the key can make it: a secret. */
const SECRET = utf8('latchkey/customer-names/v1\n');
const ID_DIGITS = 8;

export class CustomerNames {
  readonly #crypto: EvidenceCrypto;
  readonly #key: ReferenceKey;

  constructor(crypto: EvidenceCrypto, key: ReferenceKey) {
    this.#crypto = crypto;
    this.#key = key;
  }

  get keyId(): string {
    return this.#key.id;
  }

  customer(ref: string): string {
    return pseudonym(this.#crypto, this.#key, 'customer', '-', ref);
  }

  operator(name: string): string {
    return pseudonym(this.#crypto, this.#key, 'operator', '-', name);
  }

  /** Of a message that may name a customer: without the key it cannot be looked for. */
  digest(message: Uint8Array): Uint8Array {
    return this.#crypto.hmacSha256(this.#key.key, message);
  }
}

/** Rejects as `openNamedKey` does, and with CONFIG_INVALID when the database has names under another key. */
export async function openCustomerNames({
  crypto,
  database,
  path,
  tenant,
}: CustomerNamesParts): Promise<CustomerNames> {
  const { publicKey, sign } = await openNamedKey({ path, name: `${tenant}/customers`, kind: 'customers' });
  const id = hex(crypto.sha256(publicKey)).slice(0, ID_DIGITS);
  const names = new CustomerNames(crypto, { id, key: crypto.sha256(sign(SECRET)) });
  await refuseOtherKey(database, id, path);
  return names;
}

/** The least and the greatest name begin with the one key under which all are. */
async function refuseOtherKey(database: RiskDatabase, id: string, path: string): Promise<void> {
  const { rows } = await database.as('payments', (trx) =>
    sql<{ readonly name: string | null }>`
      select min(customer) as name from payments.customer_payment
      union all select max(customer) from payments.customer_payment
      union all select min(operator) from payments.household
      union all select max(operator) from payments.household`.execute(trx),
  );
  const other = rows.find(({ name }) => name !== null && !name.startsWith(`${id}.`));
  if (other === undefined) return;
  const found = other.name?.split('.')[0];
  throw new LatchkeyError(
    'CONFIG_INVALID',
    `${path}: expected the key ${found}, under which the customers of this database are named, found ${id}; give every replica the one file, from a backup if it is lost`,
  );
}
