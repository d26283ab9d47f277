/** What goes into a CONNECT and comes out of CONNACK and PUBLISH, in the library's words. */
import type { IClientOptions, IConnackPacket, IPublishPacket } from 'mqtt';
import type { MqttConnectedInfo, MqttMessageInfo, MqttPublishOptions } from './connection.ts';
import type { MqttWill } from './settings.ts';

/** Messages that the broker may send us ahead of our acknowledgements. */
const RECEIVE_MAXIMUM = 256;
const RECEIVE_MAXIMUM_DEFAULT = 65_535;
const USER_PROPERTIES_MAX = 16;

export interface SessionIdentity {
  readonly protocol: 4 | 5;
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: Buffer | undefined;
  readonly keepaliveS: number;
  readonly connectTimeoutMs: number;
  readonly will: MqttWill | undefined;
}

export function clientOptions(identity: SessionIdentity, packetSizeMax: number): IClientOptions {
  const { username, password, will } = identity;
  return {
    protocolVersion: identity.protocol,
    clientId: identity.clientId,
    clean: true,
    keepalive: identity.keepaliveS,
    connectTimeout: identity.connectTimeoutMs,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // The library's debug log prints packets, the password among them, when DEBUG is set in the environment.
    log: () => undefined,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(identity.protocol === 5
      ? { properties: { receiveMaximum: RECEIVE_MAXIMUM, maximumPacketSize: packetSizeMax, sessionExpiryInterval: 0 } }
      : {}),
    ...(will === undefined
      ? {}
      : { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1 as const, retain: will.retain } }),
  };
}

export function connectedInfo(packet: IConnackPacket, protocol: 4 | 5, connection: number): MqttConnectedInfo {
  const granted = packet.properties ?? {};
  return {
    connection,
    protocol,
    receiveMaximum: granted.receiveMaximum ?? RECEIVE_MAXIMUM_DEFAULT,
    maximumPacketSize: granted.maximumPacketSize,
    retainAvailable: granted.retainAvailable ?? true,
  };
}

export function messageInfo(packet: IPublishPacket): MqttMessageInfo {
  const userProperties: Record<string, string> = {};
  for (const [name, value] of Object.entries(packet.properties?.userProperties ?? {}).slice(0, USER_PROPERTIES_MAX)) {
    if (typeof value === 'string') userProperties[name] = value;
  }
  return { retain: packet.retain, dup: packet.dup, contentType: packet.properties?.contentType, userProperties };
}

/** An upper bound of the PUBLISH packet's size: MQTT 5.0 section 3.3, lengths taken at their longest. */
export function packetBytes(topic: string, payload: Uint8Array, options: MqttPublishOptions): number {
  let properties = 4;
  if (options.contentType !== undefined) properties += 3 + Buffer.byteLength(options.contentType);
  for (const [name, value] of Object.entries(options.userProperties ?? {})) {
    properties += 5 + Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  return 5 + 2 + Buffer.byteLength(topic) + 2 + properties + payload.length;
}
