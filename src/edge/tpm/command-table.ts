/**
 * What the client must know of each command to wrap it (TPM 2.0 Library, Part 3): how many of its handles are
 * authorised, whether its first parameters can be encrypted, whether its response begins with a handle.
 */
import type { CommandName } from '../../tpm2/algorithms.ts';

export interface CommandRow {
  /** The first handles of the command, which need an authorisation each. */
  readonly auths: number;
  /** Whether sessions may accompany it. */
  readonly sessions: boolean;
  /** The first parameter of the command is a TPM2B: it can be encrypted. */
  readonly sizedCommand: boolean;
  /** The first parameter of the response is a TPM2B. */
  readonly sizedResponse: boolean;
  readonly handle: boolean;
  /** Makes a key, tests itself or clears: seconds, on slow chips tens of seconds. */
  readonly slow: boolean;
}

type Flag = 'in' | 'out' | 'handle' | 'slow' | 'bare';

function row(auths: number, ...flags: readonly Flag[]): CommandRow {
  return {
    auths,
    sessions: !flags.includes('bare'),
    sizedCommand: flags.includes('in'),
    sizedResponse: flags.includes('out'),
    handle: flags.includes('handle'),
    slow: flags.includes('slow'),
  };
}

export const COMMANDS: Readonly<Record<CommandName, CommandRow>> = {
  EvictControl: row(1),
  NV_UndefineSpace: row(1),
  Clear: row(1, 'slow'),
  ClearControl: row(1),
  ClockSet: row(1),
  HierarchyChangeAuth: row(1, 'in'),
  NV_DefineSpace: row(1, 'in'),
  CreatePrimary: row(1, 'in', 'out', 'handle', 'slow'),
  NV_Increment: row(1),
  DictionaryAttackLockReset: row(1),
  PCR_Reset: row(1),
  Startup: row(0, 'bare', 'slow'),
  Shutdown: row(0, 'slow'),
  ActivateCredential: row(2, 'in', 'out'),
  Certify: row(2, 'in', 'out'),
  CertifyCreation: row(1, 'in', 'out'),
  GetTime: row(2, 'in', 'out'),
  NV_Read: row(1, 'out'),
  PolicySecret: row(1, 'in', 'out'),
  Create: row(1, 'in', 'out', 'slow'),
  Load: row(1, 'in', 'out', 'handle'),
  Quote: row(1, 'in', 'out'),
  Sign: row(1, 'in'),
  Unseal: row(1, 'out'),
  FlushContext: row(0, 'bare'),
  LoadExternal: row(0, 'in', 'out', 'handle'),
  NV_ReadPublic: row(0, 'out'),
  PolicyAuthorize: row(0, 'in'),
  PolicyAuthValue: row(0),
  PolicyCommandCode: row(0),
  PolicyOR: row(0),
  ReadPublic: row(0, 'out'),
  StartAuthSession: row(0, 'in', 'out', 'handle'),
  VerifySignature: row(0, 'in'),
  GetCapability: row(0),
  GetRandom: row(0, 'out'),
  PCR_Read: row(0),
  PolicyPCR: row(0, 'in'),
  ReadClock: row(0),
  PCR_Extend: row(1),
  NV_Certify: row(2, 'in', 'out'),
  PolicyGetDigest: row(0, 'out'),
};
