/** Debian's mosquitto with the settings that we ship in config/broker, their paths and port exchanged. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Mosquitto, startMosquitto } from './mosquitto.ts';
import type { IssuedCertificate } from './test-authority.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../config/broker');

export interface ExampleBrokerSettings {
  readonly dir: string;
  readonly example: 'mosquitto.conf' | 'mosquitto-client-certificates.conf';
  readonly server: IssuedCertificate;
  /** Who may vouch for clients. */
  readonly clientCaPath?: string;
  readonly passwords?: Readonly<Record<string, string>>;
}

/** Its url says mqtt://; listen with TLS at `port`. */
export async function startExampleBroker(settings: ExampleBrokerSettings): Promise<Mosquitto> {
  const { dir, server, clientCaPath = '/nowhere' } = settings;
  const passwordFile = join(dir, 'passwd');
  writeFileSync(passwordFile, '');
  for (const [user, password] of Object.entries(settings.passwords ?? {})) {
    execFileSync('mosquitto_passwd', ['-b', passwordFile, user, password], { stdio: 'ignore', timeout: 30_000 });
  }
  const data = join(dir, 'data');
  mkdirSync(data, { recursive: true });
  const places: Readonly<Record<string, string>> = {
    '/etc/mosquitto/certs/broker.pem': server.certPath,
    '/etc/mosquitto/certs/broker.key': server.keyPath,
    '/etc/mosquitto/certs/gateways-ca.pem': clientCaPath,
    '/etc/mosquitto/latchkey.passwd': passwordFile,
    '/etc/mosquitto/latchkey.acl': join(EXAMPLES, 'mosquitto.acl'),
    '/var/lib/mosquitto/': `${data}/`,
  };
  const lines = readFileSync(join(EXAMPLES, settings.example), 'utf8').split('\n');
  return startMosquitto({
    whole: (port) =>
      lines.map((line) => {
        if (line === 'listener 8883') return `listener ${port} 127.0.0.1`;
        const [name, value = ''] = line.split(' ', 2);
        if (line.startsWith('#') || !value.startsWith('/')) return line;
        const place = places[value];
        if (place === undefined) throw new Error(`${settings.example}: a path that the test does not know: ${line}`);
        return `${name} ${place}`;
      }),
  });
}
