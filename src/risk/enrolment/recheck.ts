/**
 * Boxes that were enrolled are held against what vendors revoked since: a list that names the certificate of an enrolled
 * TPM, or one above it, makes a proposal to revoke its logs. A person decides, unless the settings say otherwise: what a box
 * signed before may be sound, and only a person knows up to where.
 */
import { createHash } from 'node:crypto';
import { unbase64 } from '../../base/bytes.ts';
import type { Clock, Scheduler, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { revoke } from './decisions.ts';
import { type EkTrust, revokedSince } from './ek.ts';
import { ALARMS } from './events.ts';
import { readGateway } from './gateway-book.ts';
import type { GatewayState } from './history.ts';
import type { EnrolRefusal } from './reasons.ts';
import type { EnrolmentStore } from './store.ts';

/** A log that stands on a certificate which counts for nothing any more. */
export interface RevocationProposal {
  readonly gateway: string;
  readonly log: string;
  readonly reason: Extract<EnrolRefusal, 'certificate_revoked' | 'certificate_denied'>;
}

export interface Recheck {
  /** In the order of the gateways' names; logs that are revoked already are left out. */
  readonly proposals: readonly RevocationProposal[];
  /** Gateways whose history cannot be read: nothing is known of them, and they hold up none of the others. */
  readonly unread: readonly { readonly gateway: string; readonly reason: string }[];
}

/** Of all gateways. Rejects with STORE_IO when not even their names can be read. */
export async function recheck(store: EnrolmentStore, trust: EkTrust): Promise<Recheck> {
  const proposals: RevocationProposal[] = [];
  const unread: { readonly gateway: string; readonly reason: string }[] = [];
  for (const gateway of await store.gateways()) {
    try {
      proposals.push(...proposalsOf(gateway, await readGateway(store, gateway), trust));
    } catch (error) {
      unread.push({ gateway, reason: messageOf(error) });
    }
  }
  return { proposals, unread };
}

function proposalsOf(gateway: string, { logs }: GatewayState, trust: EkTrust): readonly RevocationProposal[] {
  return [...logs.values()].flatMap(({ vkey, enrolled, revoked }) => {
    const certificate = unbase64(enrolled.record.tpm?.ek_cert ?? '');
    if (revoked !== undefined || certificate === undefined || certificate.length === 0) return [];
    const reason = revokedSince(trust, certificate);
    return reason === undefined ? [] : [{ gateway, log: vkey.name, reason }];
  });
}

/** What a person types to do it: size and root are his, since he knows until when the box was sound. */
export function proposedCommand({ gateway, log, reason }: RevocationProposal): string {
  return `latchkey enrolments revoke ${gateway} ${log} --size 0 --by NAME --why ${reason}`;
}

export interface RecheckerParts {
  readonly store: EnrolmentStore;
  readonly trust: () => EkTrust;
  readonly scheduler: Scheduler & Clock;
  readonly logger: Logger;
  /** How often it looks whether anything changed. */
  readonly everyMs: number;
  /** `tell`: an alarm that names the command. `revoke`: the service revokes at size 0 by itself. */
  readonly whenRevoked: 'tell' | 'revoke';
}

/** Boxes enrol meanwhile, and certificates expire: also without new lists it is looked at again. */
const AGAIN_MS = 6 * 3_600_000;
/** The root of the empty tree (RFC 6962 section 2.1): no tree of that log counts. */
const EMPTY_ROOT = createHash('sha256').digest('base64');

export class Rechecker {
  readonly #parts: RecheckerParts;
  readonly #told = new Set<string>();
  #seen: EkTrust | undefined;
  #lookedAtMs = 0;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: RecheckerParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      if (!this.#stopped) this.#timer = this.#parts.scheduler.after(this.#parts.everyMs, () => this.start());
    });
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { trust, scheduler, store, logger } = this.#parts;
    const current = trust();
    const nowMs = scheduler.monotonicMs();
    if (current === this.#seen && nowMs - this.#lookedAtMs < AGAIN_MS) return;
    try {
      const { proposals, unread } = await recheck(store, current);
      for (const proposal of proposals) await this.#act(proposal);
      for (const each of unread) logger.error(each, 'a history cannot be held against revocation lists; trying again');
      if (unread.length > 0) return;
      this.#seen = current;
      this.#lookedAtMs = nowMs;
    } catch (error) {
      logger.error(
        { reason: messageOf(error) },
        'enrolled boxes cannot be held against revocation lists; trying again',
      );
    }
  }

  async #act(proposal: RevocationProposal): Promise<void> {
    const { store, scheduler, logger, whenRevoked } = this.#parts;
    const { gateway, log, reason } = proposal;
    if (whenRevoked === 'revoke') {
      await revoke({ store, clock: scheduler, by: 'crls.when_revoked', why: reason }, gateway, log, {
        size: 0,
        root: EMPTY_ROOT,
      });
      logger.error({ gateway, log, reason, alarm: 'enrolled_revoked' }, 'revoked, as crls.when_revoked says');
      return;
    }
    const name = `${gateway} ${log} ${reason}`;
    if (this.#told.has(name)) return;
    this.#told.add(name);
    const next = proposedCommand(proposal);
    logger.error({ gateway, log, reason, next, alarm: 'enrolled_revoked' }, ALARMS.enrolled_revoked);
  }
}
