/** Who may ask: one role in each token. What each may ask is said at each endpoint, and a test asks all of them. */
export const ROLES = ['merchant', 'payments', 'operator', 'analyst', 'auditor', 'metrics'] as const;

export type Role = (typeof ROLES)[number];

export const ROLE_DUTIES: Readonly<Record<Role, string>> = {
  merchant: 'asks whether a refund may be paid, and reads the answers',
  payments: 'confirms that a refund was settled',
  operator: 'works on holds',
  analyst: 'reads everything, also why a rule did not fire, and keeps evidence',
  auditor: 'reads everything, and decides again to compare',
  metrics: 'reads rates and counters, and nothing about any one refund',
};
