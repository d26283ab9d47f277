/**
 * Signals that a parcel moved as claimed, in decibans (10 log10 of the likelihood ratio).
 *
 * Signals that share a cause share a group, and a group is capped, so that five scans are not five proofs. The figures
 * are proposals to be refitted from outcomes; they are defaults of the ruleset and not truths.
 */
export const GROUPS = {
  claim: { capDb: 6 },
  access: { capDb: 8 },
  mass: { capDb: 12 },
  presence: { capDb: 10 },
  person: { capDb: 8 },
  media: { capDb: 6 },
  seal: { capDb: 5 },
  place: { capDb: 4 },
  downstream: { capDb: 20 },
} as const;

export type Group = keyof typeof GROUPS;
export const GROUP_NAMES = Object.keys(GROUPS) as readonly Group[];

interface SignalRow {
  readonly group: Group;
  readonly supportsDb: number;
  readonly contradictsDb: number;
  /** For people: what it is when it supports. */
  readonly text: string;
}

export const SIGNALS = {
  /** The parcel's label was scanned there. */
  scan: { group: 'claim', supportsDb: 3, contradictsDb: 3, text: 'a scan of the label' },
  /** A declared source said so. */
  webhook: { group: 'claim', supportsDb: 3, contradictsDb: 3, text: 'a message of the carrier or warehouse' },
  /** The door was seen to open and close in a plausible time; it contradicts when it was watched and did not. */
  door: { group: 'access', supportsDb: 6, contradictsDb: 12, text: 'the door opening and closing' },
  /** Measured weight agrees with what was declared or handed over. */
  weight: { group: 'mass', supportsDb: 10, contradictsDb: 14, text: 'the weight of the parcel' },
  /** The item sensor changed as it should. */
  occupancy: { group: 'presence', supportsDb: 8, contradictsDb: 10, text: 'the sensor of the compartment' },
  /** A one-time code, verified on the box. */
  code: { group: 'person', supportsDb: 6, contradictsDb: 4, text: 'the one-time code' },
  /** A courier's credential. */
  credential: { group: 'person', supportsDb: 3, contradictsDb: 3, text: "the courier's credential" },
  /** A photo inside the door session; it contradicts when it was used for another parcel. */
  photo: { group: 'media', supportsDb: 4, contradictsDb: 8, text: 'a photo' },
  seal: { group: 'seal', supportsDb: 5, contradictsDb: 8, text: 'the seal' },
  geofence: { group: 'place', supportsDb: 4, contradictsDb: 6, text: 'the position' },
  /** The next custodian confirms it. */
  received: { group: 'downstream', supportsDb: 20, contradictsDb: 20, text: 'the next custodian' },
} as const satisfies Readonly<Record<string, SignalRow>>;

export type SignalName = keyof typeof SIGNALS;
export const SIGNAL_NAMES = Object.keys(SIGNALS) as readonly SignalName[];
