import { createRelay } from "mcp-tunnel";
import { type RequestEvent, startTunnelClient } from "mcp-tunnel-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Nginx, nginxVersion, startNginx } from "../security/support/nginx.js";
import type { RawServer } from "../support/raw-server.js";
import { missingProgram } from "../support/requires.js";
import { answerFile, curlAnswer, startAnswering, visitAnswer } from "./answers.js";

/**
 * The promise: an answer of a local service reaches the visitor as it would directly, or through nginx. So
 * the same answers, odd and legal or odd and illegal, go through both. If the results differ, the file says
 * why.
 */
const { answers, reasons } = answerFile;
const numbered = answers.map((vector, index) => ({ ...vector, index }));

let service: RawServer;
let relayPort: number;
const events: RequestEvent[] = [];
const ends: (() => Promise<void>)[] = [];
beforeAll(async () => {
  service = await startAnswering(answers);
  ends.push(() => service.close());
  const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0 });
  ({ port: relayPort } = await relay.listen());
  ends.unshift(() => relay.close(0));
  const relayUrl = `http://127.0.0.1:${relayPort}`;
  const client = await startTunnelClient({ port: service.port, relayUrl, subdomain: "app" });
  ends.unshift(() => client.close());
  client.on("request", (event) => events.push(event));
});
afterAll(async () => {
  for (const end of ends) await end();
});

it("is a large table, in which every difference has a reason, and every reason a difference", () => {
  expect(answers.length).toBeGreaterThanOrEqual(150);
  expect(answers.filter(({ nginx, reason }) => (nginx === undefined) !== (reason === undefined))).toEqual([]);
  const given = new Set(answers.flatMap(({ reason }) => reason ?? []));
  expect(given).toEqual(new Set(Object.keys(reasons)));
});

describe("through the tunnel", () => {
  it.each(numbered)("$name ($origin)", async ({ name, index, method, visitor, bytes }) => {
    events.length = 0;
    expect(await visitAnswer(relayPort, "app.tunnel.test", index, method)).toBe(visitor);
    await expect.poll(() => events.length).toBe(1);
    const [event] = events as [RequestEvent];
    // The client's screen shows the status that the visitor got, and the fault of the answer.
    if (visitor === "502") {
      // No head has come, or only a part of a head.
      const isMissing = /^(?:HTTP\/1\.1 100 Continue\r\n\r\n)?$/.test(bytes) || name.startsWith("the end ");
      expect(event).toMatchObject({
        status: 502,
        error: {
          message: expect.stringMatching(
            isMissing ? /broke off/ : /answered, but (?:its|the head of its) answer/,
          ),
        },
      });
    } else {
      expect(event.status).toBe(Number(/^(?:\d{3}, )*(\d{3})/.exec(visitor)?.[1]));
      if (!visitor.endsWith(" cut")) expect(event.error).toBeUndefined();
    }
  });
});

describe.skipIf(missingProgram("nginx"))("through nginx", () => {
  let nginx: Nginx;
  beforeAll(async () => {
    const location = `location /answers/ {
      proxy_pass http://127.0.0.1:${service.port};
      proxy_http_version 1.1;
      proxy_buffer_size 256k;
      proxy_buffers 8 256k;
      proxy_busy_buffers_size 512k;
    }`;
    nginx = await startNginx(relayPort, location);
    ends.unshift(() => nginx.close());
  });

  it.each(numbered)("$name", async ({ index, method, visitor, nginx: differs }) => {
    const got = await visitAnswer(nginx.port, "app.tunnel.test", index, method);
    // Another release of nginx may agree with the tunnel, and its results may differ from the listed ones.
    if (nginxVersion()?.startsWith("1.22.") === true) expect(got).toBe(differs ?? visitor);
    else if (differs === undefined) expect(got).toBe(visitor);
  });
});

describe.skipIf(missingProgram("curl"))("curl, directly", () => {
  const direct = numbered.filter(({ reason }) => reason === "direct" || reason === "interim");
  it.each(direct)("$name", async ({ index, method, visitor }) => {
    const whole = visitor.replace(/^(?:\d{3}, )+/, "").replace(/^(\d{3}).*? (".*)$/, "$1 $2");
    expect(await curlAnswer(service.port, index, method)).toBe(whole);
  });
});
