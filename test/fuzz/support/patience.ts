import fc, { type Arbitrary, type Parameters } from "fast-check";
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

/**
 * Tries `judge` with many plans. When the time is up fast-check no longer waits for the run that it is in;
 * that run would go on in the next test, and leave the processes that it started. So it is waited for, though
 * nobody asks any more what it found.
 */
export async function tryPlans<Plan>(
  plans: Arbitrary<Plan>,
  judge: (plan: Plan) => Promise<void>,
  parameters: Parameters<[Plan]>,
): Promise<void> {
  let running: Promise<void> = Promise.resolve();
  const property = fc.asyncProperty(plans, (plan) => {
    const run = judge(plan);
    running = run.catch(() => {});
    return run;
  });
  try {
    await fc.assert(property, parameters);
  } finally {
    await running;
  }
}
