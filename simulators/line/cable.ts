/**
 * The cable between a simulated device and the gateway: bytes both ways, and a plug.
 */
export interface Cable {
  /** Where the gateway finds the device: a device path that stays, or `127.0.0.1:port`. */
  readonly address: string;
  readonly plugged: boolean;
  /** Bytes towards the gateway. Lost while unplugged, as on a real cable. */
  send(bytes: Uint8Array): void;
  /** The gateway sees the line hang up. Unplugging what is unplugged is done. */
  unplug(): Promise<void>;
  /** Back at the same address, under a new device name where there is one. */
  plug(): Promise<void>;
  close(): Promise<void>;
}

export type CableListener = (chunk: Uint8Array) => void;
