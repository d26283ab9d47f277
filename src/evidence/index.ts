/**
 * The public face of the evidence formats: what a program needs to read, verify and answer evidence. Portable: no Node
 * module is imported. FORMAT.md beside it is the normative text.
 */

export {
  type Anchor,
  type AnchorTrust,
  anchorKeyId,
  anchorLine,
  verifyAnchorLine,
  verifyAnchors,
} from './anchor/anchor.ts';
export { type AttestationKey, attestationKey } from './anchor/attestation-key.ts';
export { HistoryCollector, type RefusedAnchor } from './anchor/collect.ts';
export { type ContinuityVerdict, judgeContinuity } from './anchor/continuity.ts';
export { CONTINUITY_FINDINGS, type ContinuityFinding, type FindingName } from './anchor/findings.ts';
export type {
  EntryPlace,
  HeldRange,
  LogHistory,
  SeenAnchor,
  SeenOpening,
  SeenStart,
  SeenTime,
} from './anchor/history.ts';
export { ANCHOR_REASONS, type AnchorReason } from './anchor/reasons.ts';
export type { SignedAttest } from './anchor/signed-attest.ts';
export { startStatement, verifyStatement } from './anchor/statement.ts';
export {
  BATCH_TYPE,
  type BatchHead,
  type BatchRefusal,
  batchPayload,
  finishBatch,
  hintOf,
  type ParsedBatch,
  parseBatch,
} from './batch/batch.ts';
export { type CheckedLeaf, checkLeaf } from './batch/check-leaf.ts';
export { pae } from './batch/pae.ts';
export { type BatchTrust, type VerifiedBatch, verifyBatch } from './batch/verify-batch.ts';
export type { EvidenceCrypto } from './crypto.ts';
export type { CustodyEvent, EventBody, Json, JsonObject } from './event/event.ts';
export { type GuardedBody, guardBody, judgeLeaf, type LeafUse } from './event/guard.ts';
export { canonicalJson, parseCanonicalObject } from './event/json.ts';
export { encodeLeaf, LEAF_BYTES_MAX, type ParsedLeaf, parseLeaf } from './event/leaf.ts';
export { recogniseCode } from './event/recognise-code.ts';
export { normalise, pseudonym, type ReferenceKey } from './event/reference.ts';
export { EVENT_TYPES, type EventType, leafSchema } from './event/vocabulary.ts';
export { type Checkpoint, formatCheckpoint, parseCheckpoint } from './log/checkpoint.ts';
export { cosignature, cosignatureMessage, verifyCosignature } from './log/cosignature.ts';
export {
  formatNote,
  formatVkey,
  isSoundVkey,
  logVkey,
  type Note,
  parseNote,
  parseVkey,
  signedNote,
  type VerifiedNote,
  type Vkey,
  verifyLogNote,
  witnessVkey,
} from './log/note.ts';
export { formatOrigin, type Origin, originFor, parseOrigin } from './log/origin.ts';
export {
  consistencyProof,
  inclusionProof,
  type SubtreeHash,
  verifyConsistency,
  verifyInclusion,
} from './log/proofs.ts';
export { EMPTY_FRONTIER, type Frontier, leafHash, nodeHash, rootOf, TreeBuilder } from './log/tree.ts';
export { type PortableOptions, portableCrypto } from './portable-crypto.ts';
export { SCHEMA_FILES, schemaText } from './schemas.ts';
export { AnchorsTogether } from './verify/anchors-together.ts';
export {
  BUNDLE_TYPE,
  type Bundle,
  type BundleEntry,
  type BundleLog,
  formatBundle,
  parseBundle,
} from './verify/bundle.ts';
export type { DecisionFinding } from './verify/bundle-decisions.ts';
export { BUNDLE_SEAL_TYPE, sealed, sealPayload } from './verify/bundle-seal.ts';
export { type BundleSource, bundleLog } from './verify/bundle-source.ts';
export { ENROLMENT_FILE_BYTES_MAX, parseEnrolmentFile, type TrustSource } from './verify/enrolled.ts';
export { type PolicyProblem, type PolicyResult, parsePolicy, policyOfVkey, type TrustPolicy } from './verify/policy.ts';
export { EXIT_CODES, VERIFY_REASONS, type VerifyReason } from './verify/reasons.ts';
export type { LogFinding, Verdict } from './verify/verdict.ts';
export {
  FileVerifier,
  othersOf,
  unjoinedSizes,
  type VerifyOptions,
  verifyBytes,
  verifyFile,
} from './verify/verify-file.ts';
export { attestedSuccessor, successorDigest, verifyAttestedSuccessor } from './wire/attested-successor.ts';
export {
  COMMAND_TYPE,
  type Command,
  commandEnvelope,
  commandHash,
  commandPayload,
  REPLY_TYPE,
  type Reply,
  verifyCommand,
  verifyReply,
} from './wire/command.ts';
export {
  ENROLMENT_RECORD_TYPE,
  ENROLMENT_SUMMARY_TYPE,
  type EnrolmentRecord,
  type EnrolmentSummary,
  parseEnrolmentRecord,
  recordHash,
  verifyEnrolmentRecord,
  verifyEnrolmentSummary,
} from './wire/enrolment.ts';
export { type Envelope, formatEnvelope, parseEnvelope } from './wire/envelope.ts';
export {
  formatEnrolment,
  formatRequest,
  formatStatus,
  parseEnrolment,
  parseRequest,
  parseStatus,
} from './wire/messages.ts';
export {
  SUCCESSOR_TYPE,
  type Successor,
  successorEnvelope,
  successorPayload,
  verifySuccessor,
} from './wire/successor.ts';
export { checkpointName, fleetFilter, gatewayRoot, parseTopic, partitionOf, receiptName } from './wire/topics.ts';
