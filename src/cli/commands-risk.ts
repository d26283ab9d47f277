/** The commands of the risk service: rows of the table in `commands.ts`. */
import type { CommandOption, CommandSpec } from './command.ts';

const JSON_OUT: CommandOption = { type: 'boolean', help: 'for programs: JSON on standard output' };

const CONFIG: CommandOption = {
  type: 'string',
  short: 'c',
  value: 'FILE',
  help: 'risk.yaml, or receive.yaml with a database as its store (/etc/latchkey/receive.yaml)',
};
const SERVICE_CONFIG: CommandOption = {
  type: 'string',
  short: 'c',
  value: 'FILE',
  help: 'the settings (/etc/latchkey/risk.yaml, or risk.yaml in --data-dir)',
};
const DATA_DIR: CommandOption = { type: 'string', value: 'DIR', help: 'data directory of an embedded service' };
const SHOW_KEY: CommandOption = {
  type: 'boolean',
  help: 'print the verifier key of its receipts, which gateways name, and end; the key is made when there is none',
};
const RULESET: CommandOption = {
  type: 'string',
  value: 'FILE',
  help: 'parameters of the rules, YAML; what is left out has its default',
};

export const RISK_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'risk',
    summary: 'Run the whole risk service on a database of its own in one directory (--embedded)',
    positionals: [],
    options: {
      embedded: {
        type: 'boolean',
        help: 'PGlite in the data directory, locked; receipts only when asked for, advisory',
      },
      'data-dir': { ...DATA_DIR, help: 'everything it keeps; also risk.yaml, unless --config names another' },
      config: SERVICE_CONFIG,
      'show-key': SHOW_KEY,
    },
    details:
      'For trials and small sites: PGlite survives the process, and no power cut. "latchkey risk serve" runs on PostgreSQL.\n' +
      'Ends at SIGTERM once what it took is stored. SIGHUP reads the trust policy again. data_dir/status.json says how it fares.',
    load: async () => (await import('./commands/risk-serve.ts')).riskEmbeddedCommand,
  },
  {
    name: 'risk serve',
    summary: 'Run the risk service: intake, ledger, decisions, webhooks and API in one process',
    positionals: [],
    options: { config: SERVICE_CONFIG, 'data-dir': DATA_DIR, 'show-key': SHOW_KEY },
    details:
      'Ends at SIGTERM once what it took is stored. SIGHUP reads the trust policy again. data_dir/status.json says how it fares.',
    load: async () => (await import('./commands/risk-serve.ts')).riskServeCommand,
  },
  {
    name: 'risk token',
    summary: 'Make a token for the API of the service, for whoever may read its key',
    positionals: ['ROLE'],
    options: {
      config: SERVICE_CONFIG,
      'data-dir': DATA_DIR,
      subject: { type: 'string', value: 'NAME', help: 'who asks, as its records say it (local)' },
    },
    details: 'ROLE is merchant, payments, operator, analyst, auditor or metrics. It lives 15 minutes at most.',
    load: async () => (await import('./commands/risk-serve.ts')).riskTokenCommand,
  },
  {
    name: 'risk client',
    summary: 'Make the secret of a client of the API, and the hash of it for risk.yaml',
    positionals: [],
    options: { json: JSON_OUT },
    details: 'The secret goes to the client and nowhere else; it exchanges it for tokens at POST /v1/tokens.',
    load: async () => (await import('./commands/risk-access.ts')).riskClientCommand,
  },
  {
    name: 'risk token-key',
    summary: 'Change the key that signs tokens, or take back all tokens of the one before',
    positionals: ['ACT'],
    options: { config: SERVICE_CONFIG, 'data-dir': DATA_DIR },
    details: 'ACT is rotate or forget. The service reads its keys when it starts.',
    load: async () => (await import('./commands/risk-access.ts')).riskTokenKeyCommand,
  },
  {
    name: 'risk ledger',
    summary: 'Tell the story of one parcel from verified exports: where it is, who has it, what does not agree',
    positionals: ['PARCEL', 'FILE...'],
    options: {
      policy: { type: 'string', value: 'FILE', help: 'the trust policy; what does not verify is not read' },
      claims: {
        type: 'string',
        value: 'FILE',
        help: 'what carrier, merchant and warehouse say: JSON, a list of claims',
      },
      json: JSON_OUT,
    },
    details:
      'PARCEL is the reference as it stands in events. The ledger in --json has the facts that a decision reads.\n' +
      'Exit code 0: told. 2: a file does not verify, or is none of these.',
    load: async () => (await import('./commands/risk-ledger.ts')).riskLedgerCommand,
  },
  {
    name: 'risk decide',
    summary: 'Decide a refund from a snapshot of its facts, and say why',
    positionals: ['FILE'],
    options: {
      ruleset: {
        type: 'string',
        value: 'FILE',
        help: 'parameters of the rules, YAML; what is left out has its default',
      },
      json: JSON_OUT,
    },
    details:
      'The same facts and ruleset give the same decision on every machine: an auditor can decide again.\n' +
      'Exit code 0: decided, whatever the outcome. 2: the file is no snapshot of facts.',
    load: async () => (await import('./commands/risk-decide.ts')).riskDecideCommand,
  },
  {
    name: 'risk refund',
    summary: 'Decide a refund on what the receiver stored, keep the decision, and say why',
    positionals: ['REQUEST'],
    options: {
      config: CONFIG,
      'data-dir': DATA_DIR,
      key: { type: 'string', value: 'KEY', help: 'idempotency key: the same again gives the same answer (refund_id)' },
      ruleset: RULESET,
      json: JSON_OUT,
    },
    details:
      'REQUEST is JSON: refund_id, kind, parcel_refs, amount_minor, currency, operator, requested_at, payment_ref, destination.\n' +
      'An embedded database serves one process: stop the receiver first. PostgreSQL serves both.',
    load: async () => (await import('./commands/risk-refund.ts')).riskRefundCommand,
  },
  {
    name: 'risk replay',
    summary: 'Decide a kept decision again from its own facts, and compare',
    positionals: ['DECISION'],
    options: { config: CONFIG, 'data-dir': DATA_DIR, json: JSON_OUT },
    details: 'Exit code 0: the same to the byte. 1: another answer. 2: there is no such decision.',
    load: async () => (await import('./commands/risk-refund.ts')).riskReplayCommand,
  },
  {
    name: 'risk holds',
    summary: 'Show what is held, the nearest deadline first, or one hold with its history',
    positionals: ['[HOLD]'],
    options: {
      config: CONFIG,
      'data-dir': DATA_DIR,
      state: {
        type: 'string',
        value: 'STATE',
        help: 'open (unless given), released, deadline_paid, denied, superseded ...',
      },
      json: JSON_OUT,
    },
    details:
      'A deadline pays what may no longer be withheld; what may be, what can never be paid, or what facts are missing of\n' +
      'is told to people instead.',
    load: async () => (await import('./commands/risk-casework.ts')).riskHoldsCommand,
  },
  {
    name: 'risk hold-release',
    summary: 'Let a held refund be paid, as a person with a reason, or refuse it for good (--deny)',
    positionals: ['HOLD'],
    options: {
      config: CONFIG,
      'data-dir': DATA_DIR,
      actor: { type: 'string', value: 'NAME', help: 'the person; not the one who asked for the refund' },
      reason: { type: 'string', value: 'TEXT', help: 'why, kept with the name' },
      deny: { type: 'boolean', help: 'refuse the refund instead' },
      json: JSON_OUT,
    },
    details: 'A refund that asks for several approvals stays held until so many people have said so.',
    load: async () => (await import('./commands/risk-casework.ts')).riskHoldReleaseCommand,
  },
  {
    name: 'risk settle',
    summary: 'Keep the word of the payment side that a refund was paid',
    positionals: ['REFUND'],
    options: {
      config: CONFIG,
      'data-dir': DATA_DIR,
      reference: { type: 'string', value: 'REF', help: 'of the payment side; the same again changes nothing' },
      amount: { type: 'string', value: 'MINOR', help: 'in minor units; it must be that of the refund' },
      currency: { type: 'string', value: 'CODE', help: 'of ISO 4217' },
      json: JSON_OUT,
    },
    details: 'A confirmation that contradicts what was decided is refused, and opens a case.',
    load: async () => (await import('./commands/risk-casework.ts')).riskSettleCommand,
  },
  {
    name: 'risk work',
    summary: 'Do one round of what the service does by itself: late facts, deadlines, commands that wait',
    positionals: [],
    options: {
      config: CONFIG,
      'data-dir': DATA_DIR,
      ruleset: RULESET,
      retry: { type: 'string', value: 'KEY', help: 'have a dead command tried again' },
      json: JSON_OUT,
    },
    details:
      'Commands go to the webhooks of risk.yaml; without any they wait. Exit code 1: something failed, or is dead.',
    load: async () => (await import('./commands/risk-casework.ts')).riskWorkCommand,
  },
  {
    name: 'risk bundle',
    summary: 'Make the evidence for one parcel or refund: a bundle that "latchkey verify" judges offline, or EPCIS 2.0',
    positionals: ['KIND', 'NAME'],
    options: {
      config: CONFIG,
      'data-dir': DATA_DIR,
      out: { type: 'string', short: 'o', value: 'FILE', help: 'where it goes; standard output unless given' },
      maker: {
        type: 'string',
        value: 'NAME',
        help: 'seal it with the key of that name in data_dir/keys/bundles.key, made if there is none',
      },
      enrolment: {
        type: 'string',
        value: 'FILE',
        multiple: true,
        help: 'what "latchkey enrolments records" printed: summaries of its gateways go into the bundle',
      },
    },
    details:
      'KIND is parcel, refund or epcis (of a parcel). An erased entry is in a bundle as its leaf hash.\n' +
      "With --out, that of a refund stops the evidence clocks of the refund's open cases.\n" +
      'Exit code 0: made. 2: nothing that is verified and signed is stored of it.',
    load: async () => (await import('./commands/risk-bundle.ts')).riskBundleCommand,
  },
  {
    name: 'risk erase',
    summary:
      'Erase what names a parcel, an actor or a customer, and sign what was done; decisions, logs and receipts still hold',
    positionals: [],
    options: {
      config: CONFIG,
      'data-dir': DATA_DIR,
      parcel: { type: 'string', value: 'REF', help: 'the reference of the parcel as it stands in events' },
      actor: { type: 'string', value: 'REF', help: 'or that of a courier, a recipient or a technician' },
      customer: { type: 'string', value: 'REF', help: 'or the customer_ref of payments, as it was sent' },
      reason: { type: 'string', value: 'TEXT', help: 'why, in lower case and without names: it is kept for good' },
      by: { type: 'string', value: 'NAME', help: 'who answers for it; the user that runs it unless given' },
      yes: { type: 'boolean', help: 'erase; without it nothing is changed' },
      json: JSON_OUT,
    },
    details:
      'Bodies of entries go and leaf hashes stay; claims, refunds and payments get names that lead nowhere. The boxes have\n' +
      'their own: "latchkey journal erase". Exit code 0: told, or erased. 2: named nowhere. 75: an open hold, case, dispute\n' +
      'or payment needs it.',
    load: async () => (await import('./commands/risk-retention.ts')).riskEraseCommand,
  },
  {
    name: 'risk retention run',
    summary: 'Take away what was kept long enough, but for what holds, cases and disputes need',
    positionals: [],
    options: {
      config: CONFIG,
      'data-dir': DATA_DIR,
      by: { type: 'string', value: 'NAME', help: 'who answers for it; the user that runs it unless given' },
      yes: { type: 'boolean', help: 'take it away; without it nothing is changed' },
      json: JSON_OUT,
    },
    details:
      'How long what is kept stands under "retention" in risk.yaml; the service does this by itself every "every_h" hours.\n' +
      'Exit code 0: told, or done. 75: it runs in another process just now.',
    load: async () => (await import('./commands/risk-retention.ts')).riskRetentionCommand,
  },
  {
    name: 'risk patterns run',
    summary: 'Count what rules on patterns read of operators, lockers and amounts, as the service does at its interval',
    positionals: [],
    options: { config: CONFIG, 'data-dir': DATA_DIR, json: JSON_OUT },
    details:
      'What is found takes the place of what was found before; decisions count nothing of it that is older than a day.\n' +
      'How often, and times of sales, stand under "patterns" in risk.yaml. Exit code 0: done.',
    load: async () => (await import('./commands/risk-patterns.ts')).riskPatternsCommand,
  },
  {
    name: 'risk migrate',
    summary: 'Bring the database to this version as its owner, so that the service may run with fewer rights',
    positionals: [],
    options: {
      config: CONFIG,
      'data-dir': DATA_DIR,
      'url-file': {
        type: 'string',
        value: 'FILE',
        help: "first line: the owner's postgres:// address, in place of the one in the settings",
      },
      json: JSON_OUT,
    },
    details:
      'Run it before the first start and after each upgrade, while the service is stopped. A service whose login owns the\n' +
      'database does it by itself at its start, and so does an embedded one. Exit code 0: done, or there was nothing to do.\n' +
      '74: the database is of another version; nothing was changed.',
    load: async () => (await import('./commands/risk-migrate.ts')).riskMigrateCommand,
  },
  {
    name: 'risk import',
    summary: 'Take in payments, exchange rates, claims of carrier, merchant and warehouse, or who lives with customers',
    positionals: ['KIND', 'FILE'],
    options: { config: CONFIG, 'data-dir': DATA_DIR, json: JSON_OUT },
    details:
      'KIND is payments, rates or claims, and FILE is JSON, a list of such: the same again changes nothing.\n' +
      '  payments  {"payment_ref":"pay-1","currency":"EUR","captured_minor":9000}; disputed_minor, customer_ref, captured_at\n' +
      '  rates     {"currency":"EUR","day":"2026-11-23","usd_e9":1085000000}, billionths of a dollar for one euro\n' +
      '  claims    {"parcel":"k1.AAAA","ref":"c-1","at_ms":1795420800000,"body":{"what":"inspected","result":"ok"}}\n' +
      'Or it is relations, with one {"operator":"...","customer_ref":"..."} in each line, which take the place of all before;\n' +
      'the one word none takes them away. Of customers and of who lives with them only keyed pseudonyms are kept.\n' +
      "An embedded database is its service's alone while that runs: stop it, import, and start it again.",
    load: async () => (await import('./commands/risk-refund.ts')).riskImportCommand,
  },
];
