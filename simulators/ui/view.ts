/**
 * What the page of a simulated site shows and asks: the JSON between its server and its page.
 *
 * Plain data, with no types of other rooms but the words of faults, since the page is compiled without Node.
 */
import type { FaultTally, LineFault } from '../faults/kinds.ts';

export type SensorName = 'door' | 'item';

export interface CompartmentView {
  readonly name: string;
  readonly board: string;
  readonly channel: number;
  readonly line: string;
  readonly door: 'open' | 'shut';
  readonly item: boolean;
  /** Its board can tell whether something lies there. */
  readonly itemSensor: boolean;
  /** Nobody but the gateway opens it: a hand that does forces it. */
  readonly controlled: boolean;
  /** Sensors that go on reporting what they reported. */
  readonly failed: readonly SensorName[];
  /** The label of what was put in from here. */
  readonly parcel?: string;
  /** Hands are at it. */
  readonly busy: boolean;
}

export type LineKind = 'boards' | 'scanner' | 'keypad' | 'scale' | 'position';

export interface LineView {
  readonly name: string;
  /** What hangs on it. */
  readonly what: LineKind;
  readonly cable: 'pty' | 'tcp';
  /** Where a gateway finds it. */
  readonly address: string;
  readonly boards: readonly string[];
  readonly plugged: boolean;
  readonly powered: boolean;
  /** Questions that its boards heard in the last second; 0 means that no gateway asks. */
  readonly asked: number;
  /** What its devices said so far. */
  readonly said: number;
  /** How often each fault happened. */
  readonly faults: FaultTally;
  /** Faults that the next thing said will have. */
  readonly armed: readonly LineFault[];
  /** What lies on a scale. */
  readonly grams?: number;
  /** What a keypad's lamp was told, newest last. */
  readonly told?: readonly string[];
}

export interface HappenedView {
  readonly n: number;
  /** RFC 3339. */
  readonly at: string;
  readonly text: string;
  /** `hands`: asked for on the page. `lock`: the gateway's doing. `program`: one came or went. `refused`: it could not be done. */
  readonly by: 'hands' | 'lock' | 'program' | 'refused';
}

/** Of the gateway that fits the site. */
export interface ConsoleView {
  readonly url: string;
  readonly person: string;
  /** What the authenticator of that person shows now, and for how long. */
  readonly code: string;
  readonly leftS: number;
}

/** A process beside the site. */
export interface ProgramView {
  /** `failed`: it ended, and nobody had asked for it. */
  readonly state: 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';
  /** Of `failed`. */
  readonly why?: string;
}

export interface SiteView {
  readonly name: string;
  readonly compartments: readonly CompartmentView[];
  readonly lines: readonly LineView[];
  /** Absent where the site runs none. */
  readonly broker?: { readonly url: string; readonly running: boolean; readonly messages: number };
  /** Who stores the entries and gives receipts. Absent where the site runs none. */
  readonly consumer?: ProgramView;
  /** Absent where a person starts it: then nothing here ends it. */
  readonly gateway?: ProgramView;
  /** Absent where no settings were written. */
  readonly console?: ConsoleView;
  /** Serial number of the next new parcel. */
  readonly nextSerial: number;
  /** Newest first. */
  readonly happened: readonly HappenedView[];
}

export type Symbology = (typeof SYMBOLOGIES)[number];

/** Labels that carry what is given, then labels that are made out of a serial number. */
export const SYMBOLOGIES = ['code128', 'qr', 'gs1', 'sscc', 'gtin', 's10', 'ups'] as const;
export const SCAN_TEXT_MAX = 2_048;
export const KEYS_MAX = 64;

/** Members that each action takes besides `do`. Names are those of the site. */
export interface ActionMembers {
  readonly deposit: { readonly name: string };
  readonly collect: { readonly name: string };
  readonly open: { readonly name: string };
  readonly put: { readonly name: string };
  readonly take: { readonly name: string };
  readonly shut: { readonly name: string };
  readonly fail: { readonly name: string; readonly sensor: SensorName };
  readonly mend: { readonly name: string };
  readonly pretend: { readonly name: string; readonly item: boolean };
  readonly unplug: { readonly name: string };
  readonly plug: { readonly name: string };
  readonly power: { readonly name: string; readonly on: boolean };
  readonly fault: { readonly name: string; readonly kind: LineFault };
  /** `frame` in hex; without it the boards' answer that all their doors are open. */
  readonly spoof: { readonly name: string; readonly frame?: string | undefined };
  readonly scan: { readonly name: string; readonly symbology: Symbology; readonly text: string };
  readonly no_read: { readonly name: string };
  readonly type: { readonly name: string; readonly keys: string };
  readonly weigh: { readonly name: string; readonly grams: number };
  readonly move: { readonly name: string; readonly lat: number; readonly lon: number };
  readonly lose_fix: { readonly name: string };
  readonly stop_broker: Readonly<Record<never, never>>;
  readonly start_broker: Readonly<Record<never, never>>;
  readonly stop_consumer: Readonly<Record<never, never>>;
  readonly start_consumer: Readonly<Record<never, never>>;
  readonly cut_gateway: Readonly<Record<never, never>>;
  readonly start_gateway: Readonly<Record<never, never>>;
}

export type ActionName = keyof ActionMembers;

/** Body of `POST api/act`; answered by 204, or by a problem. */
export type ActionRequest = { readonly [K in ActionName]: { readonly do: K } & ActionMembers[K] }[ActionName];

export type ActionPlace = 'compartment' | LineKind | 'line' | 'broker' | 'consumer' | 'gateway';

/** The table of actions: where each is offered, and how the page calls it. What each does stands in `actions.ts`. */
export const ACTIONS: Readonly<Record<ActionName, { readonly on: ActionPlace; readonly title: string }>> = {
  deposit: { on: 'compartment', title: 'Deposit a parcel' },
  collect: { on: 'compartment', title: 'Collect it' },
  open: { on: 'compartment', title: 'Open by hand' },
  put: { on: 'compartment', title: 'Put something in' },
  take: { on: 'compartment', title: 'Take it out' },
  shut: { on: 'compartment', title: 'Shut the door' },
  fail: { on: 'compartment', title: 'Fail the sensor' },
  mend: { on: 'compartment', title: 'Mend the sensors' },
  pretend: { on: 'compartment', title: 'Blind the item sensor' },
  unplug: { on: 'line', title: 'Pull the cable' },
  plug: { on: 'line', title: 'Plug it in' },
  power: { on: 'line', title: 'Power' },
  fault: { on: 'line', title: 'Fault of what is said next' },
  spoof: { on: 'line', title: 'Spoof a frame' },
  scan: { on: 'scanner', title: 'Scan' },
  no_read: { on: 'scanner', title: 'Pull the trigger in vain' },
  type: { on: 'keypad', title: 'Type' },
  weigh: { on: 'scale', title: 'Lay it on' },
  move: { on: 'position', title: 'Move it' },
  lose_fix: { on: 'position', title: 'Lose the fix' },
  stop_broker: { on: 'broker', title: 'Stop the broker' },
  start_broker: { on: 'broker', title: 'Start the broker' },
  stop_consumer: { on: 'consumer', title: 'Stop the consumer' },
  start_consumer: { on: 'consumer', title: 'Start the consumer' },
  cut_gateway: { on: 'gateway', title: 'Cut its power' },
  start_gateway: { on: 'gateway', title: 'Give it power' },
};

/** RFC 9457, of every answer that is not 2xx. */
export interface SiteProblem {
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
}
