import { expect, it } from "vitest";
import { measure } from "../src/measure.js";
import type { Workload } from "../src/workload.js";

const workload: Workload = {
  name: "hangs",
  title: "a cycle that hangs",
  upstream: "static",
  metrics: {},
  limitSeconds: 0.01,
  run: () => new Promise(() => {}),
};

it("gives up a cycle that does not end", async () => {
  const endpoint = { port: 1, host: "nobody.localhost", processes: [] };
  await expect(measure(workload, endpoint, 1, "")).rejects.toThrow("did not end within 0.01 s");
});
