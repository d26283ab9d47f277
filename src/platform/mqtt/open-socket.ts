/**
 * Opens the TCP or TLS socket to a broker. A TLS broker's certificate is always checked, name included: no setting turns
 * that off. Files are read at each attempt, so that a renewed certificate or password needs no restart.
 */
import { readFile, stat } from 'node:fs/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { LatchkeyError } from '../../base/errors.ts';
import type { MqttSettings } from './settings.ts';

const CREDENTIAL_BYTES_MAX = 1024 * 1024;

export interface BrokerAddress {
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
  /** The host is this machine: nobody else reads the line. */
  readonly loopback: boolean;
}

export function brokerAddress(url: string): BrokerAddress {
  const parsed = new URL(url);
  const tls = parsed.protocol === 'mqtts:';
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = parsed.port === '' ? (tls ? 8883 : 1883) : Number(parsed.port);
  const loopback = host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
  return { tls, host, port, loopback };
}

export interface Credentials {
  readonly password: Buffer | undefined;
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/** Rejects with CONFIG_UNREADABLE, which names the file and never its content. */
export async function readCredentials(settings: MqttSettings): Promise<Credentials> {
  const password = await readBounded('password_file', settings.password_file);
  return {
    password: password === undefined ? undefined : firstLine(password),
    ca: await readBounded('ca_file', settings.ca_file),
    cert: await readBounded('cert_file', settings.cert_file),
    key: await readBounded('key_file', settings.key_file),
  };
}

/** The socket, connecting: errors arrive on it as events. Nothing is written to a TLS broker before its name is checked. */
export function openSocket(address: BrokerAddress, credentials: Credentials): Socket {
  const { host, port } = address;
  if (!address.tls) return connectTcp({ host, port, noDelay: true });
  const { ca, cert, key } = credentials;
  const socket = connectTls({
    host,
    port,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
  socket.setNoDelay(true);
  return socket;
}

async function readBounded(setting: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    const { size } = await stat(path);
    if (size <= CREDENTIAL_BYTES_MAX) return await readFile(path);
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new LatchkeyError('CONFIG_UNREADABLE', `${setting}: expected a readable file at ${path}, found ${why}`);
  }
  throw new LatchkeyError(
    'CONFIG_UNREADABLE',
    `${setting}: expected at most ${CREDENTIAL_BYTES_MAX} bytes at ${path}, found more`,
  );
}

function firstLine(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0x0a);
  const line = end === -1 ? bytes : bytes.subarray(0, end);
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}
