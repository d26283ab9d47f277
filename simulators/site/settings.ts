/**
 * A site file: which simulated devices hang on which lines, what goes wrong there, and what happens by itself.
 */
import { z } from 'zod';
import { FAMILY_NAMES } from '../boards/families.ts';
import { LINE_FAULTS } from '../faults/kinds.ts';
import { parseStep } from './steps.ts';

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'a name of letters, digits, dots and hyphens');
const bit = z.literal([0, 1]);
const channel = z.int().min(1).max(128);
const control = z.string().max(8);

const boardSchema = z.strictObject({
  name,
  /** Of another family than its line: it hears the line's speed. */
  family: z.enum(FAMILY_NAMES).optional(),
  address: z.int().min(0).max(255),
  channels: channel.default(16),
  /** Feedback bit of a shut door. */
  shut_reads: bit.default(1),
  unwired_reads: bit.default(1),
  item_sensors: z.boolean().default(false),
  unlock_reply: z.enum(['none', 'immediate', 'late', 'echo']).default('immediate'),
  turnaround_ms: z.int().min(0).max(5_000).default(4),
  /** Sends a frame unasked when a door changes: its first byte (xor_8a80) or its command (wkly, 0x85). */
  reports: z.literal([0x81, 0x82, 0x85]).optional(),
  /** Hears and says nothing for so long after an unlock. */
  busy_ms: z.int().min(0).max(60_000).optional(),
  /** How a kerong_cu48 replies. */
  layout: z.enum(['a', 'b']).optional(),
  /** What function 05 of a cu48_modbus must write to let a lock open. */
  unlock_value: z.literal([0xff00, 0]).optional(),
  /** What a relay of a modbus_io answers to. A latching one stays on. */
  relay: z.enum(['flash', 'momentary', 'self_resetting', 'latching']).optional(),
  /** First byte of the replies of a wkly board. */
  reply_header: z.literal([0x57, 0x53]).optional(),
});

const scannerSchema = z.strictObject({
  prefix: control.default(''),
  suffix: control.default('\r\n'),
  aim: z.boolean().default(true),
  no_read: z.string().min(1).max(32).optional(),
});

const ssiSchema = z.strictObject({
  revision: z.string().min(1).max(64).default('PAABLS00-002-R01'),
  aim: z.boolean().default(true),
});

const scaleSchema = z.strictObject({
  speaks: z.enum(['mt_sics', 'toledo']).default('mt_sics'),
  serial: z.string().min(1).max(32).default('B021002593'),
  capacity_g: z.int().min(1).max(999_999).default(60_000),
  settle_ms: z.int().min(0).max(60_000).default(800),
  every_ms: z.int().min(20).max(10_000).default(100),
});

const positionSchema = z.strictObject({
  talker: z
    .string()
    .regex(/^[A-Z]{2}$/, 'two capital letters')
    .default('GN'),
  every_ms: z.int().min(100).max(60_000).default(1_000),
  /** Where it stands at the start; without it there is no fix. */
  lat: z.number().min(-90).max(90).optional(),
  lon: z.number().min(-180).max(180).optional(),
});

/** An HTTP camera on loopback. */
const cameraSchema = z.strictObject({ name, port: z.int().min(0).max(65_535).default(0) });

const keypadSchema = z.strictObject({ enter: control.default('#') });

const rates = Object.fromEntries(LINE_FAULTS.map((fault) => [fault, z.number().min(0).max(1).optional()]));

const faultsSchema = z.strictObject({
  rates: z.strictObject(rates as Record<(typeof LINE_FAULTS)[number], z.ZodOptional<z.ZodNumber>>).default({}),
  exactly: z.array(z.strictObject({ emission: z.int().min(0), fault: z.enum(LINE_FAULTS) })).default([]),
  late_ms: z.int().min(1).max(60_000).default(1_500),
  unplug_ms: z.int().min(0).max(600_000).default(500),
});

const lineSchema = z
  .strictObject({
    name,
    /** Name of the link to the pseudo-terminal; the line's name unless given. */
    pty: z.strictObject({ link: name.optional() }).optional(),
    tcp: z
      .strictObject({ port: z.int().min(0).max(65_535).default(0), clients_max: z.int().min(1).max(4).default(1) })
      .optional(),
    family: z.enum(FAMILY_NAMES).optional(),
    baud: z.int().min(300).max(921_600).optional(),
    boards: z.array(boardSchema).min(1).max(32).optional(),
    scanner: scannerSchema.optional(),
    keypad: keypadSchema.optional(),
    ssi: ssiSchema.optional(),
    scale: scaleSchema.optional(),
    position: positionSchema.optional(),
    faults: faultsSchema.optional(),
  })
  .refine((line) => line.pty === undefined || line.tcp === undefined, 'either pty or tcp')
  .refine(({ boards, family }) => boards !== undefined || family === undefined, 'boards together with their family')
  .refine(
    ({ boards = [], family }) => family !== undefined || boards.every((board) => board.family !== undefined),
    'boards together with their family',
  )
  .refine(
    ({ boards, keypad, position, scale, scanner, ssi }) =>
      [boards, keypad, position, scale, scanner, ssi].filter((each) => each !== undefined).length === 1,
    'one of boards, scanner, ssi, keypad, scale and position',
  );

const stepSchema = z.string().transform((text, context) => {
  const step = parseStep(text);
  if (step.ok) return step.value;
  context.addIssue({ code: 'custom', message: step.detail, input: text });
  return z.NEVER;
});

const storySchema = z.strictObject({
  name,
  /** How often; 0 means until the site stops. */
  repeat: z.int().min(0).max(1_000_000).default(1),
  steps: z.array(stepSchema).min(1).max(1_000),
});

export const siteSchema = z
  .strictObject({
    name: name.default('site'),
    /** Seed of every dice of this site. */
    seed: z.int().min(0).default(1),
    /** Where the links to the pseudo-terminals go; a new temporary folder unless given. */
    links_dir: z.string().min(1).optional(),
    lines: z.array(lineSchema).min(1).max(32),
    cameras: z.array(cameraSchema).max(32).default([]),
    /** What hangs on which channel; every channel of every board unless given, named BOARD.CHANNEL. */
    compartments: z
      .array(
        z.strictObject({
          name,
          board: name,
          channel,
          /** Nobody but the gateway opens it: a hand that does forces it. */
          controlled: z.boolean().default(false),
        }),
      )
      .max(1_024)
      .optional(),
    stories: z.array(storySchema).max(64).default([]),
  })
  .superRefine((site, context) => {
    for (const problem of problemsOf(site)) context.addIssue({ code: 'custom', ...problem, input: site });
  });

export type SiteSettings = z.output<typeof siteSchema>;
export type SiteSettingsInput = z.input<typeof siteSchema>;
export type LineSettings = SiteSettings['lines'][number];

interface SiteNames {
  readonly cameras?: readonly { readonly name: string }[] | undefined;
  readonly lines: readonly {
    readonly name: string;
    readonly boards?: readonly { readonly name: string; readonly channels: number }[] | undefined;
  }[];
  readonly compartments?:
    | readonly { readonly name: string; readonly board: string; readonly channel: number }[]
    | undefined;
}

/** What no single member can show: names that are used twice or lead nowhere. */
function problemsOf(site: SiteNames): { path: PropertyKey[]; message: string }[] {
  const problems: { path: PropertyKey[]; message: string }[] = [];
  const boards = site.lines.flatMap((line) => line.boards ?? []);
  for (const [what, names] of [
    ['lines', site.lines.map((line) => line.name)],
    ['boards', boards.map((board) => board.name)],
    ['cameras', (site.cameras ?? []).map((camera) => camera.name)],
    ['compartments', (site.compartments ?? []).map((compartment) => compartment.name)],
  ] as const) {
    const twice = names.find((one, i) => names.indexOf(one) !== i);
    if (twice !== undefined) problems.push({ path: [what], message: `names that differ: ${twice} stands there twice` });
  }
  for (const [i, { board, channel: at }] of (site.compartments ?? []).entries()) {
    const found = boards.find((one) => one.name === board);
    if (found === undefined) problems.push({ path: ['compartments', i, 'board'], message: 'the name of a board' });
    else if (at > found.channels) {
      problems.push({ path: ['compartments', i, 'channel'], message: `at most ${found.channels} on ${board}` });
    }
  }
  return problems;
}
