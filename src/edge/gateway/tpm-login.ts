/**
 * The gateway's login at the broker, made in the TPM: the user name is the gateway's id, the password a JWT (RFC 7519)
 * signed ES256 (RFC 7518 section 3.4) by the login key. Nothing of it lies on the disk, and it expires.
 *
 * A machine whose clock was never set must come online all the same, or nobody could look after it. Its clock says 1970,
 * and a broker would call such a token expired. So the claims count from the newest time that this box knows to have
 * passed, and, since nobody here can say how long ago that was, the token then lives for `UNSET_LIFETIME_S`. It is
 * exchanged for an ordinary one after an ordinary token's life; SECURITY.md names the risk.
 */
import { base64url, utf8 } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import type { MqttLogin, MqttLoginSource } from '../../platform/mqtt/login.ts';

/** No clock was before this when it was set: 2026-01-01. */
const RELEASED_MS = 1_767_225_600_000;
const UNSET_LIFETIME_S = 400 * 86_400;

export interface TpmLoginParts {
  readonly gateway: string;
  readonly settings: { readonly lifetime_s: number; readonly audience?: string | undefined };
  readonly signLogin: (bytes: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;
  readonly clock: Pick<Clock, 'wallMs'>;
  /** Wall time of the last run's last entry, when there was one. */
  readonly lastSeenMs: number | undefined;
}

export function tpmLogin(parts: TpmLoginParts): MqttLoginSource {
  const { gateway, settings, signLogin, clock, lastSeenMs } = parts;
  const floorMs = Math.max(RELEASED_MS, lastSeenMs ?? 0);
  return async (signal): Promise<MqttLogin> => {
    const isSet = clock.wallMs() >= floorMs;
    const fromS = Math.floor(Math.max(clock.wallMs(), floorMs) / 1_000);
    const claims = {
      sub: gateway,
      username: gateway,
      // When it was made is then not known, and not claimed.
      ...(isSet && { iat: fromS }),
      exp: fromS + (isSet ? settings.lifetime_s : UNSET_LIFETIME_S),
      ...(settings.audience !== undefined && { aud: settings.audience }),
    };
    const signed = `${part({ alg: 'ES256', typ: 'JWT' })}.${part(claims)}`;
    const signature = await signLogin(utf8(signed), signal);
    const password = utf8(`${signed}.${base64url(signature)}`);
    return { username: gateway, password, validForMs: settings.lifetime_s * 1_000 };
  };
}

function part(value: object): string {
  return base64url(utf8(JSON.stringify(value)));
}
