import { fuzzTimeoutMs } from "../../../packages/protocol/test/support/fuzz.js";

/** For properties that fail by waiting in vain: making a finding smaller has to end some time. */
export const patiently = { interruptAfterTimeLimit: 40_000 };

/** For a test of such a property. */
export const patientTimeoutMs = 4 * fuzzTimeoutMs;
