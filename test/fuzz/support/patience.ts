import type { Parameters } from "fast-check";
import { fuzzTimeoutMs, runs } from "../../../packages/protocol/test/support/fuzz.js";

/**
 * {@link runs} for properties that take seconds, or fail by waiting in vain: making a finding smaller has to end some time, and
 * one run has to be over when the time is up, however little each property has.
 */
export function patientRuns<Values>(numRuns: number): Parameters<Values> {
  const { interruptAfterTimeLimit: limitMs, ...others } = runs<Values>(numRuns);
  return { ...others, interruptAfterTimeLimit: limitMs === undefined ? 40_000 : Math.max(15_000, limitMs) };
}

/** For a test of such a property. */
export const patientTimeoutMs = 4 * fuzzTimeoutMs;
