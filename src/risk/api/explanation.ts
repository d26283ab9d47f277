/** A kept decision told whole: beside its rules each contradiction that is looked for, found or not. */
import type { ToldWhole } from '../casework/explain.ts';
import { CONTRADICTION_CODES, CONTRADICTIONS } from '../decision/contradictions.ts';
import type { Decision } from '../decision/decision.ts';
import type { ParcelFacts } from '../decision/facts.ts';

export function explanationOf({ decision, ...told }: ToldWhole): object {
  const { rules: _, ...view } = decision;
  const { parcels } = told.facts;
  return {
    decision: view,
    ...told,
    contradictions: CONTRADICTION_CODES.flatMap((code) => findingsOf(code, parcels, decision.reasons)),
  };
}

function findingsOf(
  code: (typeof CONTRADICTION_CODES)[number],
  parcels: readonly ParcelFacts[],
  reasons: Decision['reasons'],
): readonly object[] {
  const { name } = CONTRADICTIONS[code];
  const inLedgers = parcels.flatMap(({ ref, contradictions }) =>
    contradictions
      .filter((one) => one.code === code)
      .map(({ severity, innocent, events }) => ({
        code,
        name,
        found: true,
        parcel: ref,
        severity,
        ...(innocent !== undefined && { explained_by: innocent }),
        events,
      })),
  );
  if (inLedgers.length > 0) return inLedgers;
  // Found in the request against the ledger, which no ledger alone could know.
  const reason = reasons.find((one) => one.code === code);
  if (reason !== undefined) return [{ code, name, found: true, events: reason.events }];
  const untold = parcels.flatMap(({ ref, cannot_tell: open = [] }) =>
    open
      .filter((one) => one.code === code)
      .map(({ why, events }) => ({ code, name, found: false, parcel: ref, cannot_tell: why, events })),
  );
  return untold.length > 0 ? untold : [{ code, name, found: false, events: [] }];
}
