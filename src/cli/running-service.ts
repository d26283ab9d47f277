/**
 * Decisions of an embedded service that runs: its database has one user at a time, so they are asked of it over HTTP, on
 * this machine, with a token of the key that lies in its data directory.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { LatchkeyError, messageOf } from '../base/errors.ts';
import { askHttp } from '../platform/http/client.ts';
import { nodeCrypto } from '../platform/node-crypto.ts';
import { TokenKeys } from '../risk/api/token-keys.ts';
import { mintToken } from '../risk/api/tokens.ts';
import { type Decision, decide } from '../risk/decision/decision.ts';
import { factsSchema } from '../risk/decision/facts-schema.ts';
import { makeRuleset, rulesetSchema } from '../risk/decision/ruleset.ts';
import type { CommandArgs } from './command.ts';
import { readRiskSettings } from './risk-settings.ts';

const statusSchema = z.object({ state: z.literal('running'), api: z.object({ url: z.url() }) });
const explanationSchema = z.object({
  decision: z.looseObject({}),
  facts: factsSchema,
  parameters: rulesetSchema,
});

export interface Again {
  /** Decided here, from the facts that the service kept. */
  readonly again: Decision;
  readonly same: boolean;
}

/** Undefined when there is no such decision. Rejects with `busy` itself when the service has no API to ask. */
export async function replayAtService(args: CommandArgs, id: string, busy: LatchkeyError): Promise<Again | undefined> {
  const { api, dataDir } = readRiskSettings(args);
  const url = api === undefined ? undefined : urlOf(dataDir);
  if (api === undefined || url === undefined) throw busy;
  const keys = await TokenKeys.open(api.token_key_file, api.name);
  const token = mintToken(keys, { subject: 'local', role: 'auditor' }, 1, Date.now());
  const { status, body } = await askHttp(
    { url },
    {
      method: 'GET',
      path: `/v1/refund-decisions/${encodeURIComponent(id)}/explanation`,
      headers: { authorization: `Bearer ${token}` },
    },
  );
  if (status === 404 || status === 400) return undefined;
  if (status !== 200) throw new LatchkeyError('SERVICE_UNREACHABLE', `the service at ${url} answered ${status}`);
  const { decision, facts, parameters } = parsed(body);
  const again = decide(nodeCrypto, facts, makeRuleset(nodeCrypto, parameters));
  const { rules: _, ...view } = again;
  return { again, same: JSON.stringify(view) === JSON.stringify(decision) };
}

function urlOf(dataDir: string): string | undefined {
  const file = join(dataDir, 'status.json');
  if (!existsSync(file)) return undefined;
  const status = statusSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  return status.success ? status.data.api.url : undefined;
}

function parsed(body: Uint8Array): z.output<typeof explanationSchema> {
  try {
    return explanationSchema.parse(JSON.parse(Buffer.from(body).toString()));
  } catch (error) {
    throw new LatchkeyError('INPUT_UNREADABLE', `the service's answer cannot be read: ${messageOf(error)}`);
  }
}
