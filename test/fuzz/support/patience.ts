import fc, { type Arbitrary, type Parameters } from "fast-check";
import { fuzzTimeoutMs, runs } from "../../../packages/protocol/test/support/fuzz.js";

/**
 * {@link runs} for properties that take seconds, or that fail by waiting in vain. Shrinking a finding has to
 * end some time, and one run has to be over when the time is up, even if each property gets little of it.
 */
export function patientRuns<Values>(numRuns: number): Parameters<Values> {
  const { interruptAfterTimeLimit: limitMs, ...others } = runs<Values>(numRuns);
  return { ...others, interruptAfterTimeLimit: limitMs === undefined ? 40_000 : Math.max(15_000, limitMs) };
}

/** The time limit of a test with such a property. */
export const patientTimeoutMs = 4 * fuzzTimeoutMs;

/**
 * Tries `judge` with many plans. When the time is up, fast-check no longer waits for the run that is going
 * on. That run would continue in the next test, and leave the processes that it started. So this function
 * waits for it, although nobody asks for its result any more.
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
