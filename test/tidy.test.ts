/**
 * The house rules that a program can check: who imports whom, file length, files that nobody imports, leftovers.
 * The compiler and the linter check the rest (cycles, default exports, enums, function length).
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { aloneTests, LONGEST, sharedTests } from './support/test-files.ts';

const root = resolve(import.meta.dirname, '..');
const FILE_LINES_MAX = 400;

/** Tracked and new files alike, so that a mistake shows before it is committed. */
function files(): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root });
  return listed
    .toString()
    .split('\n')
    .filter((name) => name !== '' && existsSync(join(root, name)));
}

const all = files();
const sources = all.filter((name) => /\.tsx?$/.test(name));
const text = (name: string): string => readFileSync(join(root, name), 'utf8');

/** What changes something that a process has once: another test of the same worker would meet it. */
const ONCE_IN_A_PROCESS = new RegExp(
  [
    '\\bvi\\.(?:mock|doMock|unmock|doUnmock|hoisted|stubEnv|stubGlobal|useFakeTimers|setSystemTime|resetModules|setConfig)\\(',
    '\\bprocess\\.env(?:\\.\\w+|\\[[^\\]\\n]+\\])\\s*(?:\\?\\?|\\|\\|)?=(?!=)',
    '\\bdelete process\\.env\\b',
    '\\bObject\\.(?:assign|defineProperty|defineProperties)\\((?:process|globalThis)\\b',
    '\\bprocess\\.(?:chdir|umask|set[eu]*[ug]id|exit|on|once|addListener|prependListener|removeAllListeners)\\(',
    '\\bprocess\\.(?:exitCode|title)\\s*=(?!=)',
    '\\bglobalThis(?:\\.\\w+|\\[[^\\]\\n]+\\])\\s*=(?!=)',
    '\\b[A-Z]\\w*\\.prototype(?:\\.\\w+|\\[[^\\]\\n]+\\])\\s*=(?!=)',
    '\\b(?:setFlagsFromString|syncBuiltinESMExports|setDefaultResultOrder|configureGlobal)\\(',
  ].join('|'),
);
/** Configures each worker alike. */
const SEED = 'test/support/seed.ts';

interface Import {
  readonly from: string;
  /** Path from the root, or the package's name. */
  readonly to: string;
  readonly local: boolean;
}

function importsOf(name: string): readonly Import[] {
  const found = text(name).matchAll(
    /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?from\s+'([^']+)'|import\('([^']+)'\)|(?:^|\n)import\s+'([^']+)'/g,
  );
  return [...found].map((match) => {
    const target = match[1] ?? match[2] ?? match[3] ?? '';
    const local = target.startsWith('.');
    return { from: name, to: local ? relative(root, resolve(root, dirname(name), target)) : target, local };
  });
}

const imports = sources.flatMap(importsOf);

/** The room of a file: the longest prefix of this list that it lies in. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  'firmware-protocol': [],
  'src/base': [],
  'src/tpm2': ['src/base'],
  'src/platform': ['src/base', 'src/tpm2', 'src/evidence/crypto.ts'],
  'src/evidence/event': ['src/base', 'src/evidence/crypto.ts'],
  'src/evidence/log': ['src/base', 'src/evidence/crypto.ts'],
  'src/evidence/anchor': ['src/base', 'src/tpm2', 'src/evidence/crypto.ts', 'src/evidence/event', 'src/evidence/log'],
  'src/evidence/batch': ['src/base', 'src/evidence/crypto.ts', 'src/evidence/event', 'src/evidence/log'],
  'src/evidence/wire': [
    'src/base',
    'src/evidence/crypto.ts',
    'src/evidence/event',
    'src/evidence/log',
    'src/evidence/anchor',
    'src/evidence/batch',
  ],
  'src/evidence/interchange': ['src/base', 'src/evidence/crypto.ts', 'src/evidence/event', 'src/evidence/log'],
  'src/evidence/verify': ['src/base', 'src/tpm2', 'src/evidence'],
  'src/evidence': ['src/base'],
  'src/edge/contracts': ['src/base', 'src/evidence'],
  'src/edge/tpm': ['src/base', 'src/tpm2'],
  // The TPM client has no words of this house and could be a package of its own: keys stand on it.
  'src/edge/keys': ['src/base', 'src/platform', 'src/tpm2', 'src/evidence', 'src/edge/contracts', 'src/edge/tpm'],
  'src/edge/gateway': ['src/base', 'src/platform', 'src/tpm2', 'src/evidence', 'src/edge', 'firmware-protocol'],
  'src/edge': ['src/base', 'src/platform', 'src/tpm2', 'src/evidence', 'src/edge/contracts', 'firmware-protocol'],
  'src/risk/commands': ['src/base', 'src/platform', 'src/evidence'],
  'src/risk/enrolment': ['src/base', 'src/platform', 'src/tpm2', 'src/evidence'],
  'src/risk/decision': ['src/base', 'src/evidence'],
  'src/risk/ledger': ['src/base', 'src/evidence', 'src/risk/decision', 'src/risk/store'],
  'src/risk/patterns': ['src/base', 'src/evidence', 'src/risk/store', 'src/risk/decision'],
  'src/risk/customers': ['src/base', 'src/platform', 'src/evidence', 'src/risk/store'],
  'src/risk/casework': [
    'src/base',
    'src/platform',
    'src/evidence',
    'src/risk/store',
    'src/risk/decision',
    'src/risk/ledger',
    'src/risk/patterns',
    'src/risk/customers',
  ],
  'src/risk/api': [
    'src/base',
    'src/platform',
    'src/evidence',
    'src/risk/store',
    'src/risk/decision',
    'src/risk/ledger',
    'src/risk/casework',
  ],
  'src/risk/sources': [
    'src/base',
    'src/platform',
    'src/evidence',
    'src/risk/store',
    'src/risk/ledger',
    'src/risk/customers',
  ],
  'src/risk/retention': [
    'src/base',
    'src/platform',
    'src/evidence',
    'src/risk/store',
    'src/risk/decision',
    'src/risk/customers',
  ],
  'src/risk/dossier': [
    'src/base',
    'src/platform',
    'src/evidence',
    'src/risk/store',
    'src/risk/decision',
    'src/risk/ledger',
  ],
  'src/risk/store': ['src/base', 'src/platform', 'src/evidence'],
  'src/risk/intake': ['src/base', 'src/platform', 'src/evidence', 'src/risk/store'],
  'src/risk/service': ['src/base', 'src/platform', 'src/evidence', 'src/risk'],
  'src/risk/assurance': ['src/base', 'src/evidence', 'src/risk/store', 'src/risk/intake'],
  'src/risk/witnesses': ['src/base', 'src/platform', 'src/evidence', 'src/risk/store', 'src/risk/intake'],
  'src/risk/receive': [
    'src/base',
    'src/platform',
    'src/evidence',
    'src/risk/store',
    'src/risk/intake',
    'src/risk/assurance',
    'src/risk/witnesses',
  ],
  'src/web/kit': ['src/base'],
  'src/web/verify': ['src/base', 'src/evidence', 'src/web/kit'],
  // Of the edge it knows the shapes of its own JSON, which hold no code, and what the words in it mean.
  'src/web/console': [
    'src/base',
    'src/web/kit',
    'src/edge/contracts/console-view.ts',
    'src/edge/contracts/plain-words.ts',
  ],
  // What a simulated site's page shows and asks, and nothing that runs in its server.
  'src/web/site': ['src/base', 'src/web/kit', 'simulators/ui/view.ts', 'simulators/faults/kinds.ts'],
  'src/cli': ['src', 'simulators'],
  simulators: ['firmware-protocol', 'src/base', 'src/platform', 'src/tpm2', 'src/evidence'],
};

/** Rooms of the edge and the risk wing do not know each other: the room is the first folder under the wing. */
function roomOf(name: string): string {
  const known = Object.keys(ROOMS).filter((room) => name === room || name.startsWith(`${room}/`));
  const longest = known.sort((a, b) => b.length - a.length)[0] ?? '';
  if (longest === 'src/edge') return name.split('/').slice(0, 3).join('/');
  return longest;
}

function allowed(room: string): readonly string[] {
  return [room, ...(ROOMS[room] ?? ROOMS['src/edge'] ?? [])];
}

/** What only tests do to a simulated TPM: sit on its wires. */
const AWAITED = [/^simulators\/tpm\/interposer\.ts$/];

describe('the house', () => {
  test('every source stands in a room', () => {
    const homeless = sources.filter(
      (name) => /^(src|simulators|firmware-protocol)\//.test(name) && roomOf(name) === '',
    );
    expect(homeless).toEqual([]);
    expect(sources.length).toBeGreaterThan(50);
  });

  test('no room imports what it may not', () => {
    const wrong = imports
      .filter((entry) => entry.local && /^(src|simulators|firmware-protocol)\//.test(entry.from))
      .filter(
        (entry) => !allowed(roomOf(entry.from)).some((room) => entry.to === room || entry.to.startsWith(`${room}/`)),
      )
      .map((entry) => `${entry.from} imports ${entry.to}`);
    expect(wrong).toEqual([]);
    expect(imports.length).toBeGreaterThan(100);
  });

  test('base, tpm2 and evidence import no Node module, and evidence only @noble', () => {
    const outside = imports.filter((entry) => !entry.local && /^src\/(base|tpm2|evidence)\//.test(entry.from));
    expect(
      outside.filter((entry) => !entry.to.startsWith('@noble/')).map((entry) => `${entry.from}: ${entry.to}`),
    ).toEqual([]);
  });

  test('every module is imported by somebody, or is an entry', () => {
    const entries = [
      /^src\/cli\/main\.ts$/,
      /^src\/web\/(?:verify|site|console)\/main\.tsx$/,
      /^src\/evidence\/index\.ts$/,
      /^simulators\/demo\/main\.ts$/,
      /^test\//,
      /\.config\.ts$/,
      ...AWAITED,
    ];
    const targets = new Set(imports.filter((entry) => entry.local).map((entry) => entry.to));
    const orphans = sources.filter((name) => !targets.has(name) && !entries.some((entry) => entry.test(name)));
    expect(orphans).toEqual([]);
  });

  test('no product module is imported by tests alone', () => {
    const fromProduct = new Set(
      imports.filter((entry) => entry.local && !entry.from.startsWith('test/')).map((entry) => entry.to),
    );
    const entries = [
      /^src\/cli\/main\.ts$/,
      /^src\/web\/(?:verify|site|console)\/main\.tsx$/,
      /^src\/evidence\/index\.ts$/,
      /^simulators\/demo\/main\.ts$/,
      /^src\/base\/manual-scheduler\.ts$/,
      ...AWAITED,
    ];
    const unused = sources.filter(
      (name) =>
        /^(src|simulators)\//.test(name) && !fromProduct.has(name) && !entries.some((entry) => entry.test(name)),
    );
    expect(unused).toEqual([]);
  });

  test(`no source is longer than ${FILE_LINES_MAX} lines`, () => {
    const long = sources.filter((name) => text(name).split('\n').length > FILE_LINES_MAX + 1);
    expect(long).toEqual([]);
  });

  test('nothing is left over', () => {
    const leftover = new RegExp(
      `\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'].join('|')})\\b|\\b(it|test|describe)\\.(skip|only|todo)\\b`,
    );
    expect(sources.filter((name) => leftover.test(text(name)))).toEqual([]);
  });

  test('tests that share a process, and what helps them, change nothing that a process has once', () => {
    const shared = new Set(sharedTests);
    for (const name of shared) {
      for (const { from, to } of imports) if (from === name && to.startsWith('test/') && to !== SEED) shared.add(to);
    }
    expect([...shared].filter((name) => ONCE_IN_A_PROCESS.test(text(name)))).toEqual([]);
    // Or the rule would hold of nothing.
    expect([sharedTests.length, shared.size - sharedTests.length].map((count) => count > 50)).toEqual([true, true]);
    expect(aloneTests.some((name) => ONCE_IN_A_PROCESS.test(text(name)))).toBe(true);
    expect(LONGEST.filter((name) => !shared.has(name) && !aloneTests.includes(name))).toEqual([]);
  });

  test('the lock file names no download address', () => {
    expect(text('package-lock.json')).not.toMatch(/"resolved": *"https?:/);
  });

  test('signals are put together where none of them is a timeout, or by `within`, which keeps it', () => {
    const joined = sources.filter(
      (name) => /^(src|simulators)\//.test(name) && text(name).includes('AbortSignal.any('),
    );
    expect(joined).toEqual(['src/base/abort.ts', 'src/edge/doors/doors.ts', 'src/risk/commands/sender.ts']);
  });

  test('times from outside are read by one strict reader: Date.parse takes days that no calendar has', () => {
    const parsing = sources.filter(
      (name) =>
        name.startsWith('src/') &&
        text(name)
          .replace(/^\s*(?:\*|\/\/).*$/gm, '')
          .includes('Date.parse('),
    );
    // OpenSSL's spelling of a certificate's end, and pages that show what their own server said.
    const others = ['src/cli/doctor/check-broker.ts', 'src/web/console/health.tsx'];
    expect(parsing.filter((name) => !others.includes(name))).toEqual(['src/base/wall-time.ts']);
  });

  test('dependencies have exact versions', () => {
    const manifest: { dependencies: Record<string, string>; devDependencies: Record<string, string> } = JSON.parse(
      text('package.json'),
    );
    const loose = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
    );
    expect(loose).toEqual([]);
  });

  test('the top level is the one that was ordered', () => {
    const top = new Set(all.map((name) => name.split('/')[0]));
    const ordered = ['package.json', 'tsconfig.json', 'src', 'firmware-protocol', 'config', 'simulators', 'test'];
    expect(ordered.filter((name) => !top.has(name))).toEqual([]);
  });
});
