/**
 * The way to the broker, step by step: credential files, TCP, TLS, CONNECT. The CONNECT bears a client id of its own, so
 * that it throws nobody out, has no will and subscribes to nothing; where the running gateway is connected none is made.
 */
import type { TLSSocket } from 'node:tls';
import { within } from '../../base/abort.ts';
import { messageOf } from '../../base/errors.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { type CredentialFiles, readCredentialFiles } from '../../platform/mqtt/credential-files.ts';
import { type BrokerAddress, brokerAddress, openSocket, socketFailure } from '../../platform/mqtt/open-socket.ts';
import { MqttSession } from '../../platform/mqtt/session.ts';
import type { MqttSettings } from '../../platform/mqtt/settings.ts';
import { type Check, fault, faultOf, sound } from './check.ts';
import { describeReach, reachTcp } from './reach-tcp.ts';

const REACH_LIMIT_MS = 5_000;
const LOGIN_LIMIT_MS = 10_000;
const CLIENT_ID_MAX = 64;
const DAY_MS = 86_400_000;
const RENEW_DAYS = 14;

export interface BrokerSubject {
  readonly mqtt: MqttSettings;
  readonly gateway: string;
  /** The TPM makes the password: only the gateway itself can log in. */
  readonly tpmLogin: boolean;
  /** What the running gateway says; undefined when none runs. */
  readonly connected: boolean | undefined;
}

export async function checkBroker(subject: BrokerSubject, signal: AbortSignal): Promise<readonly Check[]> {
  const { mqtt } = subject;
  const address = brokerAddress(mqtt);
  const files = await readCredentialFiles(mqtt).catch((error: unknown) => faultOf('broker-credentials', error));
  const credentials = 'found' in files ? files : sound('broker-credentials', describeFiles(mqtt));
  const target = `${address.host}:${address.port}`;
  const reached = await reachTcp(address, REACH_LIMIT_MS, signal);
  if (!reached.ok) {
    const found = `${target}: ${reached.detail}`;
    return [credentials, fault('broker-reach', found, describeReach(reached.reason, 'the broker'))];
  }
  const advice =
    address.tls || address.loopback ? '' : 'use mqtts://: whoever is on the line reads and changes what is said';
  const checks = [credentials, sound('broker-reach', `${target} answers`, advice)];
  if ('found' in files) return checks;
  if (address.tls) {
    const certificate = await checkCertificate(address, files, signal);
    checks.push(certificate);
    if (!certificate.ok) return checks;
  }
  return [...checks, await checkLogin(subject, address, files, signal)];
}

function describeFiles(mqtt: MqttSettings): string {
  const named = (['password_file', 'ca_file', 'cert_file', 'key_file'] as const).filter(
    (name) => mqtt[name] !== undefined,
  );
  return named.length === 0 ? 'no credential files are named' : `${named.join(', ')}: there, readable and private`;
}

function checkCertificate(address: BrokerAddress, files: CredentialFiles, signal: AbortSignal): Promise<Check> {
  const name = 'broker-certificate';
  return new Promise((resolve) => {
    const limit = within(REACH_LIMIT_MS, signal);
    const socket = openSocket(address, files) as TLSSocket;
    const end = (check: Check): void => {
      limit.removeEventListener('abort', abort);
      socket.destroy();
      resolve(check);
    };
    const abort = (): void =>
      end(
        fault(
          name,
          `no TLS in ${REACH_LIMIT_MS} ms`,
          'check that the port of mqtt.url speaks TLS (8883), not plain MQTT',
        ),
      );
    limit.addEventListener('abort', abort, { once: true });
    socket.once('secureConnect', () => {
      const { valid_to: validTo, issuer } = socket.getPeerCertificate();
      const daysLeft = Math.floor((Date.parse(validTo) - Date.now()) / DAY_MS);
      const found = `accepted for ${address.serverName}: by ${String(issuer?.CN ?? issuer?.O ?? '')}, until ${validTo}`;
      end(sound(name, found, daysLeft < RENEW_DAYS ? `it ends in ${daysLeft} days: have it renewed` : ''));
    });
    socket.on('error', (error) => {
      const remedy =
        'mqtt.ca_file must hold the authority of the broker, mqtt.server_name its name, and the clock of this machine must be right';
      end(fault(name, socketFailure(socket, error).reason, remedy));
    });
  });
}

async function checkLogin(
  { mqtt, gateway, tpmLogin, connected }: BrokerSubject,
  address: BrokerAddress,
  files: CredentialFiles,
  signal: AbortSignal,
): Promise<Check> {
  const name = 'broker-login';
  if (connected === true) return sound(name, 'the running gateway is connected: its login is accepted');
  if (tpmLogin)
    return sound(
      name,
      'not tried: the TPM makes the password, for the gateway alone',
      '"latchkey status" tells whether it is taken',
    );
  const clientId = `${(mqtt.client_id ?? gateway).slice(0, CLIENT_ID_MAX - 7)}-doctor`;
  const answer = await login(mqtt, clientId, address, files, signal);
  if (answer.ok) return sound(name, `CONNECT as ${mqtt.username ?? 'nobody'} is accepted (client ${clientId})`);
  return fault(name, answer.detail, remedyOf(answer, mqtt));
}

function remedyOf(
  { reason, detail }: { readonly reason: string; readonly detail: string },
  { protocol }: MqttSettings,
) {
  // CONNACK 0x01 of MQTT 3.1.1, 0x84 of 5.0: no login was looked at.
  if (/protocol version/i.test(detail)) {
    return `this broker does not speak MQTT ${protocol}: write mqtt.protocol: '${protocol === '5' ? '3.1.1' : '5'}'`;
  }
  return reason === 'refused'
    ? 'check mqtt.username, the password file or certificate, and the rules of the broker; one that binds client ids to users refuses this test alone: then see "latchkey status"'
    : 'check that the port of mqtt.url speaks MQTT, with TLS if it begins with mqtts, and mqtt.protocol';
}

function login(
  mqtt: MqttSettings,
  clientId: string,
  address: BrokerAddress,
  files: CredentialFiles,
  signal: AbortSignal,
): Promise<Result<true, 'refused' | 'failed'>> {
  return new Promise((resolve) => {
    const limit = within(LOGIN_LIMIT_MS, signal);
    let accepted = false;
    const session = new MqttSession({
      socket: openSocket(address, files),
      identity: {
        protocol: mqtt.protocol === '5' ? 5 : 4,
        clientId,
        username: mqtt.username,
        password: files.password,
        keepaliveS: mqtt.keepalive_s,
        connectTimeoutMs: LOGIN_LIMIT_MS,
        will: undefined,
      },
      packetSizeMax: mqtt.packet_size_max,
      ackTimeoutMs: mqtt.ack_timeout_ms,
      connection: 1,
      scheduler: systemScheduler(),
      events: {
        connected: () => {
          accepted = true;
          session.end('the login is tried');
        },
        message: () => undefined,
        oversize: () => undefined,
        ended: (reason, refused) => {
          limit.removeEventListener('abort', abort);
          resolve(accepted ? accept(true) : refuse(refused ? 'refused' : 'failed', reason));
        },
      },
    });
    const abort = (): void => session.destroy(`no answer to CONNECT: ${messageOf(limit.reason)}`);
    if (limit.aborted) abort();
    else limit.addEventListener('abort', abort, { once: true });
  });
}
