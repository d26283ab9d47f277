/**
 * One MQTT connection as the rooms see it: it connects again by itself, and remembers nothing.
 *
 * There is no store and no queue behind this interface: what was not acknowledged when a connection ended is of unknown
 * fate, and its sender sends it again from its own durable copy. Made by `createMqttConnection` (client.ts).
 */

/** What the broker granted in this CONNACK. Limits that a 3.1.1 broker cannot state are the protocol's own. */
export interface MqttConnectedInfo {
  /** Counts the connections of this start from 1: answers to an older one are void. */
  readonly connection: number;
  readonly protocol: 4 | 5;
  /** PUBLISH packets that may be unacknowledged at once, 1 to 65,535. Extra ones wait inside `publish`, bounded. */
  readonly receiveMaximum: number;
  /** Largest packet that the broker takes, bytes; undefined when it states none. */
  readonly maximumPacketSize: number | undefined;
  readonly retainAvailable: boolean;
}

export interface MqttMessageInfo {
  /** The broker sent it because it was retained when we subscribed, not because somebody published it now. */
  readonly retain: boolean;
  /** A redelivery by the broker, as far as it says so. */
  readonly dup: boolean;
  readonly contentType: string | undefined;
  /** At most 16; a hint from outside, like all of the message. */
  readonly userProperties: Readonly<Record<string, string>>;
}

export interface MqttHandlers {
  /** A connection stands and nothing is subscribed on it: subscribe here. Sessions are always clean. */
  connected(info: MqttConnectedInfo): void;
  /** The connection that `connected` reported is gone; another follows by itself unless `close` was called. */
  lost(reason: string): void;
  /**
   * One message, in the order in which the broker sent it. The PUBACK goes out when this returns or its promise settles
   * (rejection included); until then nothing further is read from the socket, acknowledgements of `publish` not
   * excepted: a promise returned here must never wait for `publish`, `subscribe` or `drop` of the same connection.
   * `payload` belongs to the handler. Must not throw.
   */
  message(topic: string, payload: Uint8Array, info: MqttMessageInfo): void | Promise<void>;
}

export interface MqttPublishOptions {
  readonly retain?: boolean;
  /** MQTT 5 only; left out on 3.1.1. */
  readonly contentType?: string;
  /** MQTT 5 only; left out on 3.1.1. */
  readonly userProperties?: Readonly<Record<string, string>>;
  /** Gives up waiting. What was already sent is of unknown fate; the connection stays. */
  readonly signal?: AbortSignal;
}

export interface MqttConnection {
  /** Begins to connect and keeps at it, with full-jitter back-off, until `close`. Called once. */
  start(handlers: MqttHandlers): void;

  readonly connected: boolean;

  /**
   * Publishes at QoS 1 and resolves with the PUBACK's reason code: 0 accepted, 16 no matching subscribers, 128 and above
   * refused. 3.1.1 knows only 0. Calls reach the broker in the order in which they were made. 149 (packet too large) and
   * 154 (retain not supported) are also answered without sending, when the broker's CONNACK rules the packet out.
   *
   * Rejects with BROKER_UNREACHABLE while there is no connection (nothing was sent, nothing is queued) and when the
   * connection ends first, and with TIMED_OUT when the oldest unacknowledged message waited `ack_timeout_ms` as the oldest
   * (the connection is dropped then): in both the message may or may not have arrived. Rejects with the signal's reason when that fires first. Rejects
   * with BROKER_REFUSED when 1,024 calls already wait for the broker's Receive Maximum.
   */
  publish(topic: string, payload: Uint8Array, options?: MqttPublishOptions): Promise<number>;

  /**
   * Subscribes at QoS 1 on the present connection and resolves at the SUBACK; retained messages may come before or after
   * it. Holds for that connection only. Rejects with BROKER_REFUSED when the broker refuses any of the filters, and
   * otherwise like `publish`.
   */
  subscribe(filters: readonly string[], signal?: AbortSignal): Promise<void>;

  /** Ends subscriptions of the present connection; messages already on their way may still come. Rejects like `publish`. */
  unsubscribe(filters: readonly string[], signal?: AbortSignal): Promise<void>;

  /** Ends the present connection at once; the next attempt follows after the back-off. `reason` is for the log. */
  drop(reason: string): void;

  /**
   * Publishes `lastWords` if connected, says DISCONNECT (so that no will is sent) and stops for good. Bounded by
   * `ack_timeout_ms`; never rejects. Later calls answer like the first.
   */
  close(lastWords?: { readonly topic: string; readonly payload: Uint8Array; readonly retain: boolean }): Promise<void>;
}
