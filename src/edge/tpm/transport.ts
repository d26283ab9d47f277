/** The one door to a TPM: a command in, its response out. Another client, or a wire of its own, can stand behind it. */
export interface SendOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface TpmTransport {
  /** Where the TPM is, for messages. */
  readonly target: string;
  /**
   * Whether somebody (the kernel's resource manager) gives this connection objects and sessions of its own and flushes
   * them when it ends. Otherwise the user of this transport has the whole TPM, and clears up what others left.
   */
  readonly resourceManaged: boolean;
  /**
   * Sends one command and gives its response, whose header is sound: at least 10 bytes, at most 4,096, as long as it
   * says. One command is under way at a time, in the order of the calls.
   *
   * Rejects with TPM_UNAVAILABLE when there is no connection, it breaks, or no answer comes in time; with TPM_TAMPERED
   * when what came is no response; with the signal's reason. After each of these the connection is given up and the next
   * call makes a new one; the TPM may or may not have carried out the command.
   */
  send(command: Uint8Array, options: SendOptions): Promise<Uint8Array>;
  /** Gives up the present connection; the next `send` makes a new one. */
  reset(): void;
  /** No `send` after this one. */
  close(): Promise<void>;
}

export const HEADER_BYTES = 10;
/** TPM_PT_MAX_COMMAND_SIZE and TPM_PT_MAX_RESPONSE_SIZE of the PC client profile, and of the kernel's buffer. */
export const PACKET_BYTES_MAX = 4_096;
