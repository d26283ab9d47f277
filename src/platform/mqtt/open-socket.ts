/**
 * Opens the TCP or TLS socket to a broker. A TLS broker's certificate is always checked, name included: no setting turns
 * that off.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import type { CredentialFiles } from './credential-files.ts';
import type { MqttSettings } from './settings.ts';

export interface BrokerAddress {
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
  /** The name that a TLS broker's certificate must have. */
  readonly serverName: string;
  /** The host is this machine: nobody else reads the line. */
  readonly loopback: boolean;
}

export function brokerAddress({ url, server_name }: Pick<MqttSettings, 'url' | 'server_name'>): BrokerAddress {
  const parsed = new URL(url);
  const tls = parsed.protocol === 'mqtts:';
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = parsed.port === '' ? (tls ? 8883 : 1883) : Number(parsed.port);
  const loopback = host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
  return { tls, host, port, serverName: server_name ?? host, loopback };
}

/** The socket, connecting: errors arrive on it as events. Nothing is written to a TLS broker before its name is checked. */
export function openSocket(address: BrokerAddress, credentials: CredentialFiles): Socket {
  const { host, port, serverName } = address;
  if (!address.tls) return connectTcp({ host, port, noDelay: true });
  const { ca, cert, key } = credentials;
  const socket = connectTls({
    host,
    port,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
  socket.setNoDelay(true);
  return socket;
}

/** What an error of this connection means to a person; `refused` when the broker turned our certificate down. */
export function socketFailure(socket: Socket, error: Error): { readonly reason: string; readonly refused: boolean } {
  const code = 'code' in error ? String(error.code) : '';
  const said = error.message === '' ? code : error.message;
  if (socket instanceof TLSSocket && socket.authorizationError) {
    return { reason: `the certificate of the broker is not accepted: ${said}`, refused: false };
  }
  // RFC 8446 section 6: with TLS 1.3 a server says what it thinks of our certificate after the handshake.
  const alert = /^ERR_SSL_.*ALERT_(.+)$/.exec(code)?.[1];
  if (alert === undefined) return { reason: said, refused: false };
  return { reason: `the broker ended TLS with "${alert.toLowerCase().replaceAll('_', ' ')}"`, refused: true };
}
