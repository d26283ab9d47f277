/** TPMT_TK_CREATION, _VERIFIED, _HASHCHECK (TPM 2.0 Library, Part 2, section 10.7): a TPM's note to itself. */
import { TPM_RH, TPM_ST } from './algorithms.ts';
import type { TpmReader, TpmWriter } from './wire.ts';

export interface Ticket {
  readonly tag: number;
  readonly hierarchy: number;
  readonly digest: Uint8Array;
}

/** "This digest was not made by the TPM": what an unrestricted key signs without a question. */
export const NULL_HASHCHECK: Ticket = { tag: TPM_ST.HASHCHECK, hierarchy: TPM_RH.NULL, digest: new Uint8Array(0) };

export function writeTicket(writer: TpmWriter, ticket: Ticket): TpmWriter {
  return writer.u16(ticket.tag).u32(ticket.hierarchy).sized(ticket.digest);
}

export function readTicket(reader: TpmReader): Ticket {
  return { tag: reader.u16(), hierarchy: reader.u32(), digest: reader.sized(64) };
}
