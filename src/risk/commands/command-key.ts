/**
 * The key of whoever commands: Ed25519, in a file of three lines (`latchkey-command-key v1`, name, seed). It signs one kind
 * of bytes, the DSSE PAE of commands.
 */
import { pae } from '../../evidence/batch/pae.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { logVkey, type Vkey } from '../../evidence/log/note.ts';
import {
  COMMAND_TYPE,
  type Command,
  commandEnvelope,
  commandHash,
  commandPayload,
} from '../../evidence/wire/command.ts';
import { envelopeBytes } from '../../evidence/wire/envelope.ts';
import { openNamedKey } from '../../platform/named-key-file.ts';

export interface SignedCommand {
  readonly command: Command;
  /** As it is published. */
  readonly bytes: Uint8Array;
  /** By which a reply names it. */
  readonly hash: string;
}

export interface CommandKey {
  readonly vkey: Vkey;
  sign(command: Command): SignedCommand;
}

/** Made when the file is not there. Throws KEY_PERMISSIONS, KEY_LOST, or CONFIG_INVALID for the key of another name. */
export async function openCommandKey(
  crypto: EvidenceCrypto,
  path: string,
  name: string,
): Promise<{ readonly key: CommandKey; readonly made: boolean }> {
  const { publicKey, sign, made } = await openNamedKey({ path, name, kind: 'command' });
  const vkey = logVkey(crypto, name, publicKey);
  return {
    made,
    key: {
      vkey,
      sign: (command) => {
        const payload = commandPayload(command);
        const envelope = commandEnvelope(payload, vkey.keyId, sign(pae(COMMAND_TYPE, payload)));
        return { command, bytes: envelopeBytes(envelope), hash: commandHash(crypto, payload) };
      },
    },
  };
}
