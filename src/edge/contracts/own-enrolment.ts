/** What this box was enrolled as, for the room that speaks of it to the outside. */
import type { Vkey } from '../../evidence/log/note.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';

export interface OwnEnrolment {
  /** The signed record, as it came. */
  readonly record: Envelope;
  /** Key of the service that signed it. */
  readonly service: Vkey;
  /** Wall clock of the service: of two records the later counts. */
  readonly issued: string;
  /** With a TPM. */
  readonly attesting?: {
    /** SubjectPublicKeyInfo of the enrolled AK. */
    readonly ak: Uint8Array;
    /** The successor statement with this payload, quoted by the AK. Rejects with a LatchkeyError, in bounded time. */
    readonly attest: (payload: Uint8Array) => Promise<Envelope>;
  };
}
