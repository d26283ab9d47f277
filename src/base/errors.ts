/**
 * Operational failures: the one table of codes, what the person can do about each, and the exit code.
 *
 * Three kinds of failure are never mixed here: bad input is a `Result` (result.ts), an operational failure is a
 * `LatchkeyError`, a broken invariant is an `AssertionError` and ends the process.
 */
export type ErrorAction = 'retry' | 'fix_configuration' | 'stop';

export interface ErrorRow {
  readonly action: ErrorAction;
  /** Exit code of the command line when this failure ends it. */
  readonly exitCode: number;
  /** The next step, for the person who reads the message. */
  readonly advice: string;
}

/** Exit codes: 0 done, 1 refuted, 2 cannot tell, 64 usage, 65 data, 69 unavailable, 70 internal, 73 cannot create, 74 I/O, 75 try again, 77 permission, 78 configuration (sysexits.h where it has a word). */
export const ERRORS = {
  CONFIG_INVALID: {
    action: 'fix_configuration',
    exitCode: 78,
    advice: 'correct the named settings; "latchkey config check FILE" lists all problems at once',
  },
  CONFIG_UNREADABLE: {
    action: 'fix_configuration',
    exitCode: 78,
    advice: 'check the path and that this user may read it',
  },
  USAGE: {
    action: 'fix_configuration',
    exitCode: 64,
    advice: 'run "latchkey help" for the commands and their options',
  },
  INPUT_UNREADABLE: {
    action: 'fix_configuration',
    exitCode: 2,
    advice: 'correct what is named, or check the path and that this user may read it',
  },
  NAME_UNKNOWN: {
    action: 'fix_configuration',
    exitCode: 2,
    advice: 'check the name, and that the settings name the right database',
  },
  WORD_REFUSED: {
    action: 'stop',
    exitCode: 2,
    advice: 'nothing else was changed',
  },
  OUTPUT_UNWRITABLE: {
    action: 'fix_configuration',
    exitCode: 73,
    advice: 'check the path, the room on that disk, and that this user may write there',
  },
  JOURNAL_BUSY: {
    action: 'stop',
    exitCode: 75,
    advice: 'another process holds this journal; ask it through its control socket, or stop it',
  },
  JOURNAL_IO: {
    action: 'retry',
    exitCode: 74,
    advice: 'check the disk; nothing is published until reopening and a full checkpoint succeed',
  },
  JOURNAL_DAMAGED: {
    action: 'stop',
    exitCode: 65,
    advice: 'the file is kept aside; run "latchkey journal check" on it',
  },
  JOURNAL_FULL: {
    action: 'retry',
    exitCode: 74,
    advice: 'make room on the disk; new custody is refused until then and counted',
  },
  JOURNAL_MISSING: {
    action: 'fix_configuration',
    exitCode: 2,
    advice: 'check data_dir; the daemon creates a journal at its first start',
  },
  JOURNAL_VERSION: {
    action: 'stop',
    exitCode: 65,
    advice: 'the file was written by another version of Latchkey; use that one or a newer one',
  },
  JOURNAL_NOT_DURABLE: {
    action: 'stop',
    exitCode: 74,
    advice: 'SQLite does not run at synchronous=FULL; do not use this build',
  },
  KEY_PERMISSIONS: {
    action: 'fix_configuration',
    exitCode: 77,
    advice: 'the key file must belong to this user with mode 0600',
  },
  KEY_LOST: {
    action: 'stop',
    exitCode: 77,
    advice: 'the log is closed and a new one opened; accept it at the consumer by name',
  },
  KEY_LOCKED: {
    action: 'retry',
    exitCode: 75,
    advice: 'the key store refuses for now; it is asked again after its lockout time',
  },
  PORT_UNAVAILABLE: {
    action: 'retry',
    exitCode: 69,
    advice: 'check the cable or the address, and "latchkey ports"; a running gateway tries its ports again by itself',
  },
  PORT_BUSY: { action: 'stop', exitCode: 75, advice: 'another process holds this port; stop it first' },
  SOCKET_BUSY: { action: 'stop', exitCode: 75, advice: 'another daemon answers on this control socket; stop it first' },
  SOCKET_REFUSED: {
    action: 'retry',
    exitCode: 69,
    advice: 'is the gateway running, and may this user read its socket?',
  },
  BROKER_UNREACHABLE: {
    action: 'retry',
    exitCode: 69,
    advice: 'check the address and the network; entries wait in the journal',
  },
  BROKER_REFUSED: {
    action: 'retry',
    exitCode: 69,
    advice: 'check user name, password, certificate and the broker rules of this gateway',
  },
  ACCESS_STORE: {
    action: 'retry',
    exitCode: 74,
    advice: 'check the disk; no code opens a door until its use can be written down',
  },
  STORE_IO: {
    action: 'retry',
    exitCode: 74,
    advice:
      'check the disk of this service, or the server of its database; what is not stored is neither receipted nor enrolled',
  },
  DATABASE_UNREACHABLE: {
    action: 'retry',
    exitCode: 69,
    advice: 'the address is the first line of url_file; what is not stored is neither receipted nor decided',
  },
  DATABASE_REFUSED: {
    action: 'fix_configuration',
    exitCode: 78,
    advice: 'the address is the first line of url_file; src/cli/FIRST-STEPS-POSTGRES.md says how to prepare the server',
  },
  STORE_FULL: {
    action: 'retry',
    exitCode: 74,
    advice: 'make room on the disk of the receiver; no receipt is given until then',
  },
  STORE_BUSY: { action: 'stop', exitCode: 75, advice: 'another process holds this store; stop it first' },
  STORE_VERSION: {
    action: 'stop',
    exitCode: 74,
    advice: 'nothing was changed; "latchkey help risk migrate" says who brings a database to a version',
  },
  TPM_UNAVAILABLE: {
    action: 'retry',
    exitCode: 69,
    advice: 'check that the TPM is there and that this user may use it; it is tried again with back-off',
  },
  TPM_BUSY: { action: 'retry', exitCode: 75, advice: 'the TPM is busy or out of memory for now; try again later' },
  TPM_LOCKOUT: {
    action: 'retry',
    exitCode: 75,
    advice: 'the TPM refuses authorisations until its lockout time is over, or until the lockout authorisation ends it',
  },
  TPM_MISSING: {
    action: 'stop',
    exitCode: 77,
    advice: 'the TPM does not hold what was enrolled: it was cleared, changed, or never enrolled; enrol again',
  },
  TPM_REFUSED: {
    action: 'stop',
    exitCode: 77,
    advice: 'the TPM refuses this command here; its code says what it refuses',
  },
  TPM_TAMPERED: {
    action: 'stop',
    exitCode: 65,
    advice: 'an answer of the TPM does not prove itself: suspect the path to the TPM, and keep the box for inspection',
  },
  SERVICE_UNREACHABLE: {
    action: 'retry',
    exitCode: 69,
    advice: 'check the address, the network, and the authority that signed the certificate of the service (--ca)',
  },
  ENROLMENT_UNKNOWN: {
    action: 'fix_configuration',
    exitCode: 2,
    advice: 'check the gateway id; "latchkey enrolments list" shows those that are known',
  },
  ENROLMENT_REFUSED: {
    action: 'stop',
    exitCode: 77,
    advice: 'do what the reason says, and run "latchkey enroll" again',
  },
  TIMED_OUT: { action: 'retry', exitCode: 75, advice: 'try again; if it stays, look at the named part' },
  NEEDS_MISSING: { action: 'fix_configuration', exitCode: 69, advice: 'install the named Debian packages' },
  REFUTED: { action: 'stop', exitCode: 1, advice: 'the evidence does not verify; keep both byte strings' },
  INTERNAL: { action: 'stop', exitCode: 70, advice: 'this is a defect: please report it with the log' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export class LatchkeyError extends Error {
  override readonly name = 'LatchkeyError';
  readonly code: ErrorCode;

  /** `message` says what was expected and what was found; advice and code are added for people by `explain`. */
  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  get action(): ErrorAction {
    return ERRORS[this.code].action;
  }

  get exitCode(): number {
    return ERRORS[this.code].exitCode;
  }
}

/** One line for a person: what happened, the next step, and the stable code. */
export function explain(error: unknown): string {
  if (error instanceof LatchkeyError) {
    // A list keeps its lines to itself.
    const end = error.message.includes('\n') ? '\n' : /[.?!]$/.test(error.message) ? ' ' : '. ';
    return `${error.message}${end}${capital(ERRORS[error.code].advice)} (${error.code})`;
  }
  // What `AbortSignal.timeout` aborts with: somebody did not answer, which is no defect of ours.
  if (error instanceof Error && error.name === 'TimeoutError') {
    return `no answer in time. ${capital(ERRORS.TIMED_OUT.advice)} (TIMED_OUT)`;
  }
  return `${messageOf(error)} (INTERNAL)`;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
