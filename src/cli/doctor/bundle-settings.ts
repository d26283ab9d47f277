/**
 * The settings as they may leave a box: by their schema, and only what is known as harmless.
 *
 * Numbers, switches and words of a closed list say nothing secret where the schema expects them. A text is kept when its
 * place is in the table below and it looks as its place demands: a password that stands where a file name belongs is no
 * path. Everything else is withheld, also what the schema does not know, and what a later version may add.
 */
import { z } from 'zod';
import { gatewaySettingsSchema } from '../../edge/gateway/settings.ts';
import { isRecord } from './known-settings.ts';

export const WITHHELD = '[withheld]';

type Kind = 'name' | 'path' | 'url' | 'vkey';

/** Longest text that is kept. */
const TEXT_MAX = 512;
const LIST_MAX = 2_000;
const LOOKS: Readonly<Record<Exclude<Kind, 'url'>, RegExp>> = {
  name: /^[A-Za-z0-9._:@/[\]-]{1,128}$/,
  path: /^(\/|\.\/|\.\.\/)[^\0]*$/,
  // C2SP signed note: name+hash+key.
  vkey: /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}$/,
};

/** Where a text may stand, and what kind of text. */
export const KEPT_TEXTS: Readonly<Record<string, Kind>> = {
  'gateway.id': 'name',
  'gateway.operator_domain': 'name',
  'gateway.data_dir': 'path',
  'keys.tpm.device': 'path',
  'keys.tpm.socket': 'path',
  'keys.tpm.tcp': 'name',
  'keys.tpm.policy': 'path',
  'enrolment.url': 'url',
  'enrolment.ca_file': 'path',
  'enrolment.service_key': 'vkey',
  'mqtt.url': 'url',
  'mqtt.client_id': 'name',
  'mqtt.server_name': 'name',
  'mqtt.username': 'name',
  'mqtt.password_file': 'path',
  'mqtt.ca_file': 'path',
  'mqtt.cert_file': 'path',
  'mqtt.key_file': 'path',
  prefix: 'name',
  'receivers[].vkey': 'vkey',
  'ports[].name': 'name',
  'ports[].link.path': 'path',
  'ports[].link.host': 'name',
  'ports[].devices[].name': 'name',
  'ports[].devices[].inputs[].name': 'name',
  'ports[].devices[].key_file': 'path',
  'custody.compartments[].name': 'name',
  'custody.compartments[].device': 'name',
  'custody.compartments[].scale': 'name',
  'custody.compartments[].camera': 'name',
  'custody.compartments[].scanners[]': 'name',
  'custody.position.device': 'name',
  'photos.sources[].name': 'name',
  'photos.sources[].directory': 'path',
  'photos.sources[].url': 'url',
  'photos.sources[].ca_file': 'path',
  'photos.sources[].authorization_file': 'path',
  'photos.store.upload[]': 'url',
  'photos.store.upload_ca_file': 'path',
  'commands.keys[].vkey': 'vkey',
  'console.people[].name': 'name',
  'console.people[].totp_file': 'path',
  'access.devices[].name': 'name',
  'access.devices[].compartments[]': 'name',
  'references.keys_dir': 'path',
  'metrics.listen': 'name',
  'control.socket': 'path',
};

interface Node {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly allOf?: readonly Node[];
}

export interface KeptSettings {
  /** In the shape of the settings. */
  readonly settings: unknown;
  /** Places of what was withheld, without what stood there. */
  readonly withheldAt: readonly string[];
  /** What was withheld, for taking it out of sentences as well. Never leaves the process. */
  readonly withheld: ReadonlySet<string>;
  /** Every member that the schema knows, anywhere. */
  readonly knownNames: ReadonlySet<string>;
}

export function keepSettings(raw: unknown): KeptSettings {
  const root = z.toJSONSchema(gatewaySettingsSchema, { io: 'input', unrepresentable: 'any' }) as Node;
  const keeper = new Keeper();
  const settings = keeper.keep(raw, branchesOf(root), '');
  const knownNames = new Set<string>();
  collectNames(root, knownNames);
  return { settings, withheldAt: [...keeper.places].sort(), withheld: keeper.withheld, knownNames };
}

class Keeper {
  readonly places = new Set<string>();
  readonly withheld = new Set<string>();

  keep(value: unknown, nodes: readonly Node[], path: string): unknown {
    if (value === null || value === undefined || nodes.length === 0) return this.#withhold(value, path);
    if (Array.isArray(value)) return this.#list(value, nodes, path);
    if (isRecord(value)) return this.#members(value, nodes, path);
    if (nodes.some((node) => isWord(node, value))) return value;
    if (typeof value === 'boolean' && nodes.some(({ type }) => type === 'boolean')) return value;
    if (typeof value === 'number' && nodes.some(({ type }) => type === 'number' || type === 'integer')) return value;
    const text = typeof value === 'string' ? keptText(value, KEPT_TEXTS[path]) : undefined;
    return text ?? this.#withhold(value, path);
  }

  #list(value: readonly unknown[], nodes: readonly Node[], path: string): unknown {
    const items = nodes.flatMap(({ items: item }) => (item === undefined ? [] : branchesOf(item)));
    for (const more of value.slice(LIST_MAX)) this.#withhold(more, `${path}[]`);
    return value.slice(0, LIST_MAX).map((each) => this.keep(each, items, `${path}[]`));
  }

  #members(value: Readonly<Record<string, unknown>>, nodes: readonly Node[], path: string): unknown {
    const kept: [string, unknown][] = [];
    for (const [name, member] of Object.entries(value)) {
      const known = nodes.flatMap(({ properties = {} }) => {
        const node = Object.hasOwn(properties, name) ? properties[name] : undefined;
        return node === undefined ? [] : branchesOf(node);
      });
      const at = path === '' ? name : `${path}.${name}`;
      if (known.length > 0) kept.push([name, this.keep(member, known, at)]);
      else {
        // Not even its name: `password:secret` without a space is a name.
        if (!/^[a-z_]{1,32}$/.test(name)) this.withheld.add(name);
        this.#withhold(member, `${path === '' ? '' : `${path}.`}(not in the schema)`);
      }
    }
    return Object.fromEntries(kept);
  }

  #withhold(value: unknown, path: string): string {
    this.places.add(path === '' ? '(all of it)' : path);
    this.#remember(value);
    return WITHHELD;
  }

  #remember(value: unknown): void {
    if (isRecord(value) || Array.isArray(value)) {
      for (const [name, each] of Object.entries(value)) {
        if (!Array.isArray(value) && !/^[a-z_]{1,32}$/.test(name)) this.withheld.add(name);
        this.#remember(each);
      }
    } else if (typeof value === 'string' || typeof value === 'number') this.withheld.add(String(value));
  }
}

/** The node itself and whatever it may be instead. */
function branchesOf(node: Node): readonly Node[] {
  return [node, ...[...(node.anyOf ?? []), ...(node.oneOf ?? []), ...(node.allOf ?? [])].flatMap(branchesOf)];
}

function isWord(node: Node, value: unknown): boolean {
  return (node.const !== undefined && node.const === value) || node.enum?.includes(value) === true;
}

function keptText(text: string, kind: Kind | undefined): string | undefined {
  if (kind === undefined || text.length > TEXT_MAX) return undefined;
  if (kind === 'url') return bareUrl(text);
  return LOOKS[kind].test(text) ? text : undefined;
}

/** Scheme, host and port: user, password, path and query of an address may be secrets. */
function bareUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, host, username, password, pathname, search, hash } = new URL(text);
  if (host === '') return undefined;
  const isBare = username === '' && password === '' && search === '' && hash === '' && /^\/?$/.test(pathname);
  return isBare ? text : `${protocol}//${host}/${WITHHELD}`;
}

function collectNames(node: Node, names: Set<string>): void {
  for (const branch of branchesOf(node)) {
    for (const [name, member] of Object.entries(branch.properties ?? {})) {
      names.add(name);
      collectNames(member, names);
    }
    if (branch.items !== undefined) collectNames(branch.items, names);
  }
}
