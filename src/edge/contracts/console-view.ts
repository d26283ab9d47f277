/**
 * What the gateway's console shows and asks: the JSON between the daemon, the console's server and its page.
 *
 * Plain data, with no types of other rooms, since the page is compiled without Node. Texts may hold what a stranger
 * printed on a parcel or wrote into a device: a page shows them as text alone.
 */

/** viewer: looks. technician: also opens, stops and recounts, commissions, pairs, maintains. administrator: also resumes. */
export type ConsoleRole = 'viewer' | 'technician' | 'administrator';

/** What a finding is about, so that a page can put it beside it; `name` is that thing's. */
export type FindingAbout =
  | 'gateway'
  | 'clock'
  | 'port'
  | 'device'
  | 'compartment'
  | 'journal'
  | 'disk'
  | 'broker'
  | 'receipts'
  | 'tpm'
  | 'enrolment'
  | 'opening';

export interface Finding {
  /** `problem`: something stands still. `notice`: it is over, or somebody asked for it. */
  readonly severity: 'problem' | 'notice';
  readonly about: FindingAbout;
  readonly name?: string;
  /** A sentence: what is wrong. */
  readonly text: string;
  /** A sentence: what a person does about it. */
  readonly remedy: string;
}

export interface CompartmentView {
  readonly name: string;
  readonly device: string;
  readonly channel: number;
  readonly door: 'open' | 'shut' | 'unknown';
  /** Why `door` is unknown, or how far it can be trusted. */
  readonly doorWhy?: string;
  /** Absent where no sensor says. */
  readonly occupied?: boolean;
  /** Parcels that custody holds here. */
  readonly held: number;
  /** Somebody is at it. */
  readonly visited: boolean;
  /** A person moved the door, and the gateway signed what its contact means. */
  readonly commissioned: boolean;
  readonly maintenance: boolean;
  /** The newest weight that was seen, where a scale belongs to it. */
  readonly grams?: number;
  /** Newest parcel reference of an event here, as the journal names it (a pseudonym unless settings say clear). */
  readonly lastRef?: string;
  /** Newest event about this compartment. */
  readonly lastEvent?: { readonly type: string; readonly n: number; readonly agoMs: number };
}

export interface DeviceView {
  readonly name: string;
  readonly driver: string;
  readonly state: 'unknown' | 'found' | 'lost' | 'faulted';
  readonly reason: string;
  readonly remedy?: string;
  readonly lastAnswerAgoMs?: number;
  readonly polls?: {
    readonly asked: number;
    readonly answered: number;
    readonly silent: number;
    readonly damaged: number;
  };
  /** Last thing it read, for scanners: never a code that opens a door. */
  readonly lastScan?: { readonly text: string; readonly agoMs: number };
}

export interface LineView {
  readonly port: string;
  /** `opening`, `open`, `lost`, ...: the port's own word. */
  readonly state: string;
  readonly reason: string;
  readonly cycleMs?: number;
  readonly unseenMaxMs?: number;
  readonly devices: readonly DeviceView[];
  /** Oldest first, at most 360 points, one for each `QUALITY_STEP_S`; shares of 0 to 1 of the polls in the step. */
  readonly quality: readonly QualityPoint[];
}

export interface QualityPoint {
  /** Milliseconds before `ConsoleView.upMs`. */
  readonly agoMs: number;
  readonly answered: number;
  readonly cycleMs?: number;
}

export interface ConsoleView {
  readonly gateway: string;
  readonly version: string;
  /** RFC 3339 of the gateway's wall clock. */
  readonly at: string;
  readonly upMs: number;
  readonly clock: { readonly src: 'none' | 'rtc' | 'ntp' | 'gps'; readonly errMs?: number };
  readonly assurance: 'A0' | 'anchored';
  readonly healthy: boolean;
  readonly findings: readonly Finding[];
  readonly compartments: readonly CompartmentView[];
  readonly lines: readonly LineView[];
  readonly log: {
    readonly origin: string;
    readonly vkey: string;
    readonly entries: number;
    /** Entries below have a signed checkpoint over them. */
    readonly signed: number;
    /** Entries below are receipted by every store. */
    readonly receipted: number;
    /** Entries below are anchored by the TPM; absent without one. */
    readonly anchored?: number;
    readonly boot: number;
  };
  readonly broker: {
    readonly url: string;
    readonly connected: boolean;
    readonly phase: string;
    readonly waiting: number;
    readonly unsendable: number;
    readonly receiptAgeMs?: number;
    readonly alarms: readonly string[];
  };
  readonly disk: {
    readonly room: string;
    readonly freeBytes?: number;
    readonly journalBytes?: number;
    readonly budgetBytes?: number;
    /** Events that are not durable yet: what a power cut now would cost at most. */
    readonly atRiskEvents: number;
    /** For how long an event can be in memory alone before its commit, from the settings. */
    readonly atRiskMs?: number;
  };
  readonly tpm?: {
    readonly target: string;
    readonly state: string;
    readonly reason?: string;
    readonly counter?: number;
    readonly anchors: number;
    readonly lastAgoMs?: number;
    readonly lifeYears?: number;
    readonly lifeYearsAtLeast: number;
  };
  readonly opening: {
    readonly stopped?: { readonly by: string; readonly reason: string };
    readonly opening: readonly string[];
    readonly open: number;
    readonly openMax: number;
  };
  readonly windows: readonly { readonly id: string; readonly by: string; readonly compartments: readonly string[] }[];
}

/** One entry of the journal as a row. */
export interface EntryView {
  readonly log: string;
  readonly n: number;
  /** RFC 3339. */
  readonly at: string;
  readonly type: string;
  readonly compartment?: string;
  readonly actor?: { readonly kind: string; readonly ref: string };
  /** The whole event as it was signed, parsed. */
  readonly event: unknown;
  /** What stands over it by now. `receipted` includes the others. */
  readonly state: 'durable' | 'signed' | 'anchored' | 'receipted';
}

/** `GET /api/journal?before=<n>&limit=<1..200>&log=<origin>`: newest first. */
export interface JournalPage {
  readonly log: string;
  readonly size: number;
  readonly entries: readonly EntryView[];
  /** All logs of this box, newest first. */
  readonly logs: readonly { readonly origin: string; readonly state: string; readonly size: number }[];
}

/** `GET /api/session`: who is signed in; 401 otherwise. `csrf` goes back in the header `x-latchkey-csrf` of each POST. */
export interface SessionView {
  readonly person: string;
  readonly role: ConsoleRole;
  readonly csrf: string;
  readonly expiresInS: number;
  /** Seconds for which acts need no further code; 0 when the next act asks for one. */
  readonly elevatedForS: number;
}

/** `POST /api/sign-in`: `{person, password}`; `POST /api/second-factor`: `{code}`; `POST /api/sign-out`: `{}`. */
export type ActRequest =
  | { readonly verb: 'open'; readonly compartment: string }
  | { readonly verb: 'stop_pick' | 'resume' | 'recount' }
  | { readonly verb: 'maintain'; readonly compartments: readonly string[]; readonly minutes: number }
  | { readonly verb: 'end_maintenance'; readonly id: string };

/** Answer of `POST /api/act`: 200 also when the gateway refused, with its word. 403 `second_factor` asks for a code first. */
export interface ActAnswer {
  readonly result: string;
  readonly reason?: string;
  readonly tookMs?: number;
  readonly compartments?: number;
}

/**
 * `POST /api/commission` `{compartments?: string[]}` and `POST /api/pair` `{device, code?}` answer as a stream of JSON
 * lines: any number of steps, then one `done` or `error`. Closing the connection ends the walk.
 */
export type WalkLine =
  | { readonly step: unknown }
  | { readonly done: unknown }
  | { readonly error: { readonly code: string; readonly message: string } };

/** Events of `GET /api/live` (server-sent): `view` with a ConsoleView, `entry` with an EntryView, `ended` when signed out. */
export type LiveEvent = 'view' | 'entry' | 'ended';

/** RFC 9457, of every answer that is not 2xx. */
export interface ConsoleProblem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
}

/** Seconds between two points of `LineView.quality`. */
export const QUALITY_STEP_S = 10;
