import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { createAuthority, createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { expectNoLeaks } from "../../../test/support/leaks.js";
import type { TunnelErrorCode } from "mcp-tunnel-protocol";
import { createRelay, openAuthenticator, providerAuthenticator, type RelayOptions } from "../src/index.js";

const base = { domain: "tunnel.test" };
const failure = (code: TunnelErrorCode, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) }) as Error;
const invalid = (message: string) => failure("invalid_option", message);

describe("an error of a relay's options", () => {
  const tls = { files: [{ cert: "/no/such/cert.pem", key: "/no/such/key.pem" }] };

  it.each<[string, object, object]>([
    ["a wrong name", { ...base, verbose: true }, { options: ["verbose"] }],
    [
      "one within another",
      { ...base, liveness: { pingTimeoutMs: 0 } },
      { options: ["liveness.pingTimeoutMs"] },
    ],
    ["a wrong name within another", { ...base, tls: { port: 5 } }, { options: ["tls.port"] }],
    ["the wrong kind", { ...base, reservedNames: [5] }, { options: ["reservedNames.0"] }],
    ["a limit", { ...base, maxTunnels: 0 }, { options: ["maxTunnels"] }],
    ["the domain", { domain: "a b" }, { options: ["domain"] }],
    ["the public URL", { ...base, publicUrl: "http://{subdomain}/{path}" }, { options: ["publicUrl"] }],
    ["addresses", { ...base, limitExempt: ["10.0.0/8"] }, { options: ["limitExempt"] }],
    [
      "the fields of proxies",
      { ...base, trustedProxyHeaders: ["cookie"] },
      { options: ["trustedProxyHeaders"] },
    ],
    ["no certificate", { ...base, tls: {} }, { options: ["tls"] }],
    ["a file that is not there", { ...base, tls }, { code: "unavailable", file: "/no/such/cert.pem" }],
  ])("says what it is about: %s", (_what, options, about) => {
    expect(() => createRelay(options as RelayOptions)).toThrow(
      expect.objectContaining({ code: "invalid_option", ...about }),
    );
  });
});

describe("the options of a relay", () => {
  it.each<[string, unknown, string]>([
    ["nothing", undefined, "the options must be an object, not undefined"],
    ["no domain", {}, "domain is undefined; it must be a host name such as tunnel.example.com"],
    ["domain", { domain: 1 }, "domain is a number; it must be a host name"],
    [
      "a wrong name",
      { ...base, trustedProxy: [] },
      "no option 'trustedProxy'; did you mean 'trustedProxies'?",
    ],
    [
      "a limit's",
      { ...base, maxRequestBdy: 1 },
      "no option 'maxRequestBdy'; did you mean 'maxRequestBodyBytes'?",
    ],
    ["a name like none", { ...base, verbose: true }, "there is no option 'verbose'"],
    ["port", { ...base, port: "80" }, "port is a string; it must be a whole number from 0 to 65535"],
    ["port", { ...base, port: 70_000 }, "port is 70000; it must be a whole number from 0 to 65535"],
    ["port", { ...base, port: 1.5 }, "port is 1.5; it must be"],
    ["port", { ...base, port: Number.NaN }, "port is NaN; it must be"],
    ["port", { ...base, port: null }, "port is null; it must be"],
    ["host", { ...base, host: 5 }, "host is a number; it must be a string"],
    ["fd", { ...base, fd: -1 }, "fd is -1; it must be a whole number from 0"],
    ["publicUrl", { ...base, publicUrl: new URL("http://a") }, "publicUrl is an object; it must be a string"],
    [
      "authenticator",
      { ...base, authenticator: {} },
      "with the methods authenticate, and perhaps watchRevoked, reload, close",
    ],
    [
      "a method that is none",
      { ...base, authenticator: { ...openAuthenticator, close: 5 } },
      "authenticator is an object; it must be",
    ],
    [
      "reservedNames",
      { ...base, reservedNames: "www" },
      "reservedNames is a string; it must be an array of strings",
    ],
    [
      "requireVisitorAuth",
      { ...base, requireVisitorAuth: "yes" },
      "requireVisitorAuth is a string; it must be a boolean",
    ],
    ["reservedNames", { ...base, reservedNames: [5] }, "reservedNames.0 is a number; it must be a string"],
    ["trustedProxies", { ...base, trustedProxies: "::1" }, "trustedProxies is a string; it must be an array"],
    [
      "trustedProxyHeaders",
      { ...base, trustedProxyHeaders: "x-real-ip" },
      "trustedProxyHeaders is a string; it must be an array of strings",
    ],
    [
      "the name of a trusted header",
      { ...base, trustedProxyHeaders: ["X-Real-IP", "Host"] },
      "the trusted proxy's header 'Host' is not the name of a field that a proxy sets",
    ],
    ...[
      "Cookie",
      "Authorization",
      "Accept-Language",
      "Content-Type",
      "If-Match",
      "Sec-Fetch-Site",
      "Range",
    ].map((name): [string, object, string] => [
      `the name of a field of every request, ${name}`,
      { ...base, trustedProxyHeaders: ["x-forwarded-for", name] },
      `the trusted proxy's header '${name}' is not the name of a field that a proxy sets`,
    ]),
    [
      "interimToProxies",
      { ...base, interimToProxies: "keep" },
      "interimToProxies is the string 'keep'; it must be one of: drop, pass",
    ],
    ["limitExempt", { ...base, limitExempt: [null] }, "limitExempt.0 is null; it must be a string"],
    [
      "cookieDomain",
      { ...base, cookieDomain: "all" },
      "cookieDomain is the string 'all'; it must be one of: narrow, keep",
    ],
    ["tls", { ...base, tls: true }, "tls is a boolean; it must be an object"],
    [
      "the text of a key in the place of its path, and does not show it",
      { ...base, tls: { files: [{ cert: "a", key: "-----BEGIN PRIVATE KEY-----\nMII" }] } },
      "tls.files.0.key is a text; it must be the path of a file, not what is in it",
    ],
    ["an array", [], "the options must be an object, not an array"],
    [
      "tls.files",
      { ...base, tls: { files: [{ cert: "a" }] } },
      "tls.files.0.key is undefined; it must be a string",
    ],
    ["tls.acme", { ...base, tls: { acme: { email: 5 } } }, "tls.acme.email is a number; it must be a string"],
    ["a name in tls", { ...base, tls: { cert: "a" } }, "there is no option 'cert' in tls"],
    ["tls.redirectPort", { ...base, tls: { redirectPort: 70_000 } }, "tls.redirectPort is 70000"],
    ["liveness", { ...base, liveness: { pingInterval: 1 } }, "in liveness; did you mean 'pingIntervalMs'?"],
    [
      "logger",
      { ...base, logger: { info() {} } },
      "logger is an object; it must be an object with the methods",
    ],
    [
      "directory",
      { ...base, directory: new Map() },
      "directory is an object; it must be an object with the methods find, claim, release, changed, watch",
    ],
    ["the access log, an observer now", { ...base, accessLog: { onEnd() {} } }, "no option 'accessLog'"],
    ["judges", { ...base, judges: () => {} }, "judges is a function; it must be an array of functions"],
    ["judges", { ...base, judges: [{}] }, "judges.0 is an object; it must be a function"],
    ["observers", { ...base, observers: { onEnd() {} } }, "observers is an object; it must be an array"],
    [
      "observers",
      { ...base, observers: [{}] },
      "observers.0 is an object; it must be an object with the methods onEnd",
    ],
    [
      "a limit",
      { ...base, maxTunnels: "5" },
      "maxTunnels is the string '5'; it must be a whole number from 1",
    ],
    ["a limit", { ...base, maxTunnels: null }, "maxTunnels is null; it must be a whole number from 1"],
  ])("are told when they are wrong: %s", (_what, given, message) => {
    expect(() => createRelay(given as RelayOptions)).toThrow(invalid(message));
  });

  it("may be undefined, and objects of any class", () => {
    class OwnLogger {
      debug(): void {}
      info(): void {}
      warn(): void {}
      error(): void {}
    }
    const options = {
      ...base,
      port: undefined,
      tls: undefined,
      maxTunnels: undefined,
      logger: new OwnLogger(),
    };
    expect(() => createRelay(options as unknown as RelayOptions)).not.toThrow();
  });

  it.each<[string, unknown, string]>([
    ["nothing", undefined, "the options must be an object"],
    ["url", { url: 5, secret: "s" }, "url is a number; it must be a string"],
    ["no secret", { url: "http://a.test" }, "secret is undefined; it must be a string"],
    ["timeoutMs", { url: "http://a.test", secret: "s", timeoutMs: -1 }, "timeoutMs is -1; it must be"],
    ["a wrong name", { url: "http://a.test", secret: "s", timeout: 1 }, "there is no option 'timeout'"],
  ])("of an auth provider are looked at as well: %s", (_what, given, message) => {
    expect(() => providerAuthenticator(given as Parameters<typeof providerAuthenticator>[0])).toThrow(
      invalid(message),
    );
  });
});

describe("a relay that listens", () => {
  const closing = closingAfterEach();
  const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const newCertificate = async () => {
    const { cert, key } = await (await createAuthority()).issue(["tunnel.test", "*.tunnel.test"]);
    const folder = closing(createFolder());
    return { cert: folder.write("c.pem", cert), key: folder.write("k.pem", key) };
  };
  const newRelay = (port = 0) => closing(createRelay({ ...base, host: "127.0.0.1", port }));

  it.each([
    ["at once", async () => {}],
    ["later", (listening: Promise<unknown>) => listening],
  ])("refuses a second call %s, and goes on undisturbed", async (_when, moment) => {
    const relay = newRelay();
    const listening = relay.listen();
    await moment(listening);
    await expect(relay.listen()).rejects.toThrow(
      failure("invalid_state", "the relay listens already: call listen() once"),
    );
    expect((await listening).port).toBeGreaterThan(0);
  });

  it("does not listen again once it is closed", async () => {
    const relay = newRelay();
    await relay.listen();
    await relay.close(0);
    await expect(relay.listen()).rejects.toThrow(
      failure("invalid_state", "the relay was closed: make another one"),
    );
  });

  it.each([
    ["at once", 0, nextTurn],
    ["a moment later", 1, () => Promise.resolve()],
    ["moments later", 3, () => Promise.resolve()],
    ["a turn later", 1, nextTurn],
    ["turns later", 3, nextTurn],
  ] as const)(
    "that is closed %s, while it opens, says so and leaves nothing open",
    async (_when, times, wait) => {
      const files = await newCertificate();
      await expectNoLeaks(async () => {
        const tls = { files: [files], redirectPort: 0 };
        const relay = createRelay({ ...base, host: "localhost", port: 0, tls });
        const listening = relay.listen().then(
          () => "listens",
          (error: unknown) => error,
        );
        for (let i = 0; i < times; i += 1) await wait();
        // The second call hurries the first, at any point.
        await Promise.all([relay.close(), relay.close(0)]);
        const refusal = failure("invalid_state", "the relay was closed: make another one");
        // Some turns later the relay may have opened.
        const results = wait === nextTurn && times > 0 ? [refusal, "listens"] : [refusal];
        expect(results).toContainEqual(await listening);
        await expect(relay.listen()).rejects.toThrow(failure("invalid_state", "the relay was closed"));
      });
    },
  );

  it("keeps no port when it cannot have the other, and may try again", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port: redirectPort } = taken.address() as AddressInfo;
    const files = await newCertificate();
    await expectNoLeaks(async () => {
      const tls = { files: [files], redirectPort };
      const relay = createRelay({ ...base, host: "127.0.0.1", port: 0, tls });
      await expect(relay.listen()).rejects.toThrow(failure("unavailable", "choose another redirect port"));
      taken.close();
      await once(taken, "close");
      expect((await relay.listen()).port).toBeGreaterThan(0);
      await relay.close(0);
    });
  });

  it("says that the port is used in words that fit a program, and may try again", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const relay = newRelay(port);
    await expect(relay.listen()).rejects.toThrow(
      failure(
        "unavailable",
        `cannot listen on 127.0.0.1, port ${port}: another program listens there; stop it or choose another port`,
      ),
    );
    taken.close();
    await once(taken, "close");
    expect((await relay.listen()).port).toBe(port);
  });
});
