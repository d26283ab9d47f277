/** `latchkey enrolments serve`: settings, store, key and HTTP put together, from start to signal. */
import { join } from 'node:path';
import type { Scheduler } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { formatVkey } from '../../evidence/log/note.ts';
import { startHttp } from '../../platform/http/server.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../platform/tpm-crypto.ts';
import { FileEnrolmentStore } from './file-store.ts';
import { enrolmentApi, tooManyRequests } from './http-api.ts';
import { Rechecker } from './recheck.ts';
import { EnrolmentService, type ServiceParts } from './service.ts';
import { openServiceKey, type ServiceKey } from './service-key.ts';
import type { EnrolmentSettings } from './settings.ts';
import { TrustFiles } from './trust-files.ts';

export interface ServeDeps {
  readonly logger: Logger;
  readonly scheduler?: Scheduler;
  /** Called once when it listens. */
  readonly onReady?: (url: string) => void;
}

export function keyOf(settings: EnrolmentSettings): Promise<{ readonly key: ServiceKey; readonly made: boolean }> {
  const path = settings.key_file ?? join(settings.data_dir, 'keys', 'enrolment.key');
  return openServiceKey(nodeCrypto, path, settings.name);
}

async function serviceParts(settings: EnrolmentSettings, deps: ServeDeps, trust: TrustFiles): Promise<ServiceParts> {
  const store = await FileEnrolmentStore.open(settings.data_dir);
  const { key, made } = await keyOf(settings);
  if (made) deps.logger.warn({ vkey: formatVkey(key.vkey) }, 'made a new key for records: verifiers must be told');
  if (settings.escrow_key === undefined) {
    const means = 'boxes keep empty owner and lockout authorisations: whoever is on one can clear its TPM';
    deps.logger.warn({ setting: 'escrow_key', means }, 'no escrow key');
  }
  return {
    cryptos: { evidence: nodeCrypto, tpm: nodeTpmCrypto },
    rules: {
      domains: settings.operator_domains,
      classes: settings.classes,
      approve: settings.approve,
      challengeLifeMs: settings.challenge_s * 1_000,
      challengesMax: settings.challenges,
      ...(settings.escrow_key !== undefined && { escrowKey: settings.escrow_key }),
    },
    trust: () => trust.current(),
    store,
    key,
    clock: deps.scheduler ?? systemScheduler(),
    logger: deps.logger,
  };
}

/** Runs until the signal fires and open requests are answered (bounded). */
export async function serveEnrolments(
  settings: EnrolmentSettings,
  deps: ServeDeps,
  signal: AbortSignal,
): Promise<void> {
  const scheduler = deps.scheduler ?? systemScheduler();
  const trust = await TrustFiles.open({ settings, scheduler, logger: deps.logger });
  const parts = await serviceParts(settings, deps, trust);
  const service = new EnrolmentService(parts);
  const server = await startHttp({
    settings: settings.http,
    handle: enrolmentApi(service, deps.logger),
    tooMany: tooManyRequests,
    clock: parts.clock,
    logger: deps.logger,
  });
  deps.logger.info({ url: server.url, vkey: formatVkey(parts.key.vkey), classes: settings.classes }, 'enrolling');
  trust.start();
  const rechecker = new Rechecker({
    store: parts.store,
    trust: parts.trust,
    scheduler,
    logger: deps.logger,
    everyMs: settings.reread_s * 1_000,
    whenRevoked: settings.crls?.when_revoked ?? 'tell',
  });
  rechecker.start();
  deps.onReady?.(server.url);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await rechecker.stop();
  await trust.stop();
  await server.close();
  deps.logger.info({}, 'stopped');
}
