import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { missing, missingProgram } from "../../../support/requires.js";
import type { Software } from "../matrix.js";
import { startServer } from "../run.js";
import { anotherSite, logIn } from "./log-in.js";

const folder = fileURLToPath(new URL("../rails", import.meta.url));

/** Whether Action Cable is missing: it is the one part of Rails that has no program. */
function missingActionCable(): boolean {
  if (spawnSync("ruby", ["-e", 'gem "actioncable"']).status === 0) return false;
  return missing("Action Cable is not installed; its package, ruby-actioncable, belongs in .ci/run");
}

const offer = { protocols: ["actioncable-v1-json"] };

export const rails: Software = {
  name: "Rails in development",
  missing: () => missingProgram("puma") || missingProgram("rails") || missingActionCable(),
  start: () =>
    startServer("puma", (port) => ["--bind", `tcp://127.0.0.1:${port}`, "config.ru"], {
      cwd: folder,
      env: { RAILS_ENV: "development" },
    }),
  scenarios: {
    ...logIn,
    async "welcomes over the WebSocket of Action Cable"(visitor) {
      const { messages } = await visitor.webSocket("/cable", offer);
      assert.deepEqual(JSON.parse(String((await messages().next()).value)), { type: "welcome" });
    },
    async "refuses the WebSocket of another site"(visitor) {
      await assert.rejects(visitor.webSocket("/cable", { ...offer, foreign: anotherSite }), { status: 404 });
    },
  },
  expected: {
    "logs in, with a cookie and an absolute redirect": "works",
    "refuses the form on a page of another site": "works",
    "welcomes over the WebSocket of Action Cable": "works",
    "refuses the WebSocket of another site": "works",
  },
  // Rails believes X-Forwarded-Proto by default.
  alsoWith: ["--forwarded-headers for,proto"],
};
