import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { missingProgram } from "../../../support/requires.js";
import type { Software } from "../matrix.js";
import { startServer } from "../run.js";
import { logIn } from "./log-in.js";

const script = fileURLToPath(new URL("../php/index.php", import.meta.url));

export const php: Software = {
  name: "PHP's built-in server",
  missing: () => missingProgram("php"),
  start: () => startServer("php", (port) => ["-S", `localhost:${port}`, script]),
  scenarios: {
    ...logIn,
    async "names its own URLs in Refresh and Content-Location"(visitor) {
      const { headers } = await visitor.open("/refresh");
      assert.equal(headers["refresh"], `0; url=${visitor.origin}/`);
      assert.equal(headers["content-location"], `${visitor.origin}/refresh.en`);
    },
  },
  expected: {
    "logs in, with a cookie and an absolute redirect": "works",
    "refuses the form on a page of another site": "works",
    "names its own URLs in Refresh and Content-Location": "works",
  },
};
