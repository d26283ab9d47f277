/**
 * Why no connection to the server came about, and what to do about each: none of it is the disk.
 *
 * In its own words alone. What the server and the system say repeats parts of the address, and of one that was written
 * wrongly (an unescaped sign in the password) these may be parts of the password.
 */
import { LatchkeyError, messageOf } from '../../base/errors.ts';

type Why = readonly [code: 'DATABASE_UNREACHABLE' | 'DATABASE_REFUSED', found: string, whatToDo: string];

const START = 'start it, or correct the host and the port of the address';
const ROUTE = 'check the host and the port of the address, and what is between here and there';
const CERTIFICATE = 'name the authority that signed it by sslrootcert=FILE; do not turn the check off';

/** Of the system, and of Node's TLS. */
const SYSTEM: Readonly<Record<string, Why>> = {
  ECONNREFUSED: ['DATABASE_UNREACHABLE', 'nobody who listens there', START],
  ENOENT: ['DATABASE_UNREACHABLE', 'no socket of a server there', START],
  EACCES: ['DATABASE_REFUSED', 'a socket that this user may not open', 'let this user into the folder of the socket'],
  ENOTFOUND: ['DATABASE_REFUSED', 'a host that no name service knows', 'correct the host of the address'],
  EAI_AGAIN: ['DATABASE_UNREACHABLE', 'a name service that does not answer', 'check the name service of this machine'],
  ECONNRESET: ['DATABASE_UNREACHABLE', 'a connection that was cut off', 'look into the log of the server for why'],
  EPIPE: ['DATABASE_UNREACHABLE', 'a connection that was cut off', 'look into the log of the server for why'],
  ETIMEDOUT: ['DATABASE_UNREACHABLE', 'no answer in time', ROUTE],
  EHOSTUNREACH: ['DATABASE_UNREACHABLE', 'no way to that host', ROUTE],
  ENETUNREACH: ['DATABASE_UNREACHABLE', 'no way to that network', ROUTE],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['DATABASE_REFUSED', 'a certificate that signs itself', CERTIFICATE],
  SELF_SIGNED_CERT_IN_CHAIN: ['DATABASE_REFUSED', 'a certificate of an authority that nobody named', CERTIFICATE],
  UNABLE_TO_GET_ISSUER_CERT: ['DATABASE_REFUSED', 'a certificate of an unknown authority', CERTIFICATE],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['DATABASE_REFUSED', 'a certificate of an unknown authority', CERTIFICATE],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['DATABASE_REFUSED', 'a certificate of an unknown authority', CERTIFICATE],
  CERT_HAS_EXPIRED: ['DATABASE_REFUSED', 'a certificate that has expired', "renew the server's certificate"],
  CERT_NOT_YET_VALID: ['DATABASE_REFUSED', 'a certificate that is not valid yet', 'check the clocks of both machines'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'DATABASE_REFUSED',
    'a certificate for another host',
    'write the host of the address as the certificate has it',
  ],
};

/** Of the server, which ends the connection: SQLSTATE (PostgreSQL, appendix A). */
const SERVER: Readonly<Record<string, Why>> = {
  '28P01': [
    'DATABASE_REFUSED',
    'a login or a password that the server does not take',
    'correct them, and write signs such as @ or / of a password as %40 and %2F',
  ],
  '28000': [
    'DATABASE_REFUSED',
    'a login that the server does not know, or does not let in from here or without TLS',
    'make the login, let it in by pg_hba.conf, or add sslmode=verify-full to the address',
  ],
  '3D000': ['DATABASE_REFUSED', 'no database of that name', 'make it as its owner, or correct the end of the address'],
  '42501': [
    'DATABASE_REFUSED',
    'a login that may not connect to that database',
    'grant it connect on the database, as its owner',
  ],
  '53300': [
    'DATABASE_UNREACHABLE',
    'a server that takes no more connections',
    'raise max_connections of the server, or lower pool_max of the services',
  ],
  '57P03': ['DATABASE_UNREACHABLE', 'a server that is starting, or stopping', 'wait for it'],
};
/** What pg says by its text alone. */
const TEXTS: readonly (readonly [RegExp, Why])[] = [
  [
    /server does not support SSL/,
    [
      'DATABASE_REFUSED',
      'a server without TLS',
      'turn ssl on there; without sslmode in the address nothing is encrypted',
    ],
  ],
  [
    /client password must be/,
    ['DATABASE_REFUSED', 'no password, and a server that asks for one', 'write it into the address, or set PGPASSFILE'],
  ],
  [
    /Connection terminated|timeout exceeded when trying to connect/,
    ['DATABASE_UNREACHABLE', 'no answer in time', ROUTE],
  ],
  [
    /^Invalid URL$|^URI malformed$/,
    [
      'DATABASE_REFUSED',
      'an address that cannot be read',
      'write postgres://LOGIN:PASSWORD@HOST/DATABASE, with %40 and %2F for signs such as @ and / of a password',
    ],
  ],
];

/** Undefined when it is something else, such as the answer to a statement. */
export function connectFailure(error: unknown): LatchkeyError | undefined {
  const why = whyOf(error);
  if (why === undefined) return undefined;
  const [code, found, whatToDo] = why;
  return new LatchkeyError(code, `cannot connect to the database: found ${found}; ${whatToDo}`, { cause: error });
}

function whyOf(error: unknown): Why | undefined {
  const { code, severity, syscall, path } = (error ?? {}) as Readonly<Record<string, unknown>>;
  // A certificate or a key that the address names.
  if (syscall === 'open' && typeof code === 'string') {
    const found = `a file of the address that cannot be read (${code}: ${String(path)})`;
    return ['DATABASE_REFUSED', found, 'correct sslrootcert, sslcert and sslkey'];
  }
  if (typeof code === 'string') {
    // An answer to a statement has the same codes, and is no FATAL.
    if (severity !== undefined) return severity === 'FATAL' ? SERVER[code] : undefined;
    if (Object.hasOwn(SYSTEM, code)) return SYSTEM[code];
  }
  const text = messageOf(error);
  return TEXTS.find(([pattern]) => pattern.test(text))?.[1];
}
