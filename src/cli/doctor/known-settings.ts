/**
 * What can be known of a gateway's settings. A file with a problem still names a broker or a port: each part that is
 * right by itself is used, so that one run finds what is wrong in the file and what is wrong around it.
 */
import { parse } from 'yaml';
import type { z } from 'zod';
import { type GatewaySettings, gatewaySettingsSchema, socketPathOf } from '../../edge/gateway/settings.ts';
import { linkSchema, type PortSettings } from '../../edge/ports/settings.ts';
import { describeProblem, type SettingsProblem } from '../../platform/problem.ts';
import { parseSettings, readSettingsText } from '../../platform/settings.ts';
import { type Check, fault, sound } from './check.ts';
import { thisUser } from './may-use.ts';

const ALIASES_MAX = 100;
const PROBLEMS_SHOWN_MAX = 20;
/** Sections that are read by themselves when the whole is not right. */
const PARTS = ['gateway', 'keys', 'mqtt', 'references', 'journal', 'receivers', 'console', 'control'] as const;

type Parts = Partial<Pick<GatewaySettings, (typeof PARTS)[number]>>;

export interface KnownSettings {
  readonly path: string;
  /** Undefined when the file cannot be read. */
  readonly text: string | undefined;
  readonly unreadable: string | undefined;
  readonly problems: readonly SettingsProblem[];
  /** Present when all of it is right. */
  readonly whole: GatewaySettings | undefined;
  readonly parts: Parts;
  readonly ports: readonly PortSettings[];
}

export function knownSettings(path: string): KnownSettings {
  const text = readSettingsText(path);
  const nothing = {
    path,
    text: undefined,
    unreadable: undefined,
    problems: [],
    whole: undefined,
    parts: {},
    ports: [],
  };
  if (!text.ok) return { ...nothing, unreadable: text.detail };
  const parsed = parseSettings(text.value, gatewaySettingsSchema);
  if (parsed.ok) {
    return { ...nothing, text: text.value, whole: parsed.value, parts: parsed.value, ports: parsed.value.ports };
  }
  const raw = rawOf(text.value);
  return { ...nothing, text: text.value, problems: parsed.problems, parts: partsOf(raw), ports: portsOf(raw) };
}

export function socketOf({ parts }: KnownSettings): string | undefined {
  const { gateway, control } = parts;
  return gateway === undefined ? undefined : socketPathOf({ gateway, control: control ?? {} });
}

export function checkConfiguration({ path, unreadable, problems }: KnownSettings): Check {
  const name = 'configuration';
  if (unreadable !== undefined) {
    const remedy = isBarred(unreadable)
      ? `${thisUser()} may not read it: give it to the group of the daemon ("chgrp latchkey ${path}", "chmod 640 ${path}")`
      : `"latchkey init --config ${path}" makes one; --config names another file`;
    return fault(name, unreadable, remedy);
  }
  if (problems.length === 0) return sound(name, `${path} is sound`);
  const shown = problems.slice(0, PROBLEMS_SHOWN_MAX).map((problem) => `\n${describeProblem(problem)}`);
  const more = problems.length > PROBLEMS_SHOWN_MAX ? `\nand ${problems.length - PROBLEMS_SHOWN_MAX} more` : '';
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return fault(name, `${path} has ${count}:${shown.join('')}${more}`, 'correct what is named in the settings');
}

function isBarred(unreadable: string): boolean {
  return /\b(?:EACCES|EPERM)\b/.test(unreadable);
}

/** Undefined when the text is no YAML mapping. */
export function rawOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const raw: unknown = parse(text, { maxAliasCount: ALIASES_MAX, logLevel: 'silent' });
    return isRecord(raw) ? raw : undefined;
  } catch {
    return undefined;
  }
}

function partsOf(raw: Readonly<Record<string, unknown>> | undefined): Parts {
  if (raw === undefined) return {};
  const found = PARTS.flatMap((name) => {
    const schema: z.ZodType = gatewaySettingsSchema.shape[name];
    const part = schema.safeParse(raw[name]);
    return part.success ? [[name, part.data] as const] : [];
  });
  return Object.fromEntries(found);
}

function portsOf(raw: Readonly<Record<string, unknown>> | undefined): readonly PortSettings[] {
  const ports: unknown = raw?.['ports'];
  if (!Array.isArray(ports)) return [];
  return ports.flatMap((port: unknown, i) => {
    if (!isRecord(port)) return [];
    const link = linkSchema.safeParse(port['link']);
    const name = typeof port['name'] === 'string' ? port['name'] : `ports[${i}]`;
    return link.success ? [{ name, link: link.data }] : [];
  });
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
