import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHider, type Hider } from "../src/secrets/hide.js";

interface Vectors {
  hide: { why: string; text: string; secrets: string[] }[];
  show: string[];
}
const vectors = JSON.parse(readFileSync(new URL("secrets.json", import.meta.url), "utf8")) as Vectors;
const key = Buffer.alloc(32, 7);

function hider(given: { key?: Buffer | undefined; privatePaths?: string[] } = {}): Hider {
  return createHider({ key, privatePaths: [], ...given });
}

describe("secrets in texts", () => {
  it.each(vectors.hide)("hides: $why", ({ text, secrets }) => {
    const each = hider();
    const hidden = each.text(text);
    for (const secret of secrets) expect(hidden).not.toContain(secret);
    if (isJson(text)) expect(isJson(hidden)).toBe(true);
    const found = [...hidden.matchAll(/\[hidden:([\da-f]{8})\]/g)].map(([, mark = ""]) => each.find(mark));
    for (const secret of secrets) expect(found.some((value) => value?.includes(secret))).toBe(true);
    for (const value of found) expect(text).toContain(value);
  });

  it.each(vectors.show.map((text) => ({ text })))("shows: $text", ({ text }) => {
    const each = hider();
    expect(each.text(text)).toBe(text);
    expect(each.target(text)).toBe(text);
    expect(each.count).toBe(0);
  });

  it("leaves everything else of a JSON text as it is", () => {
    const safeName = fc.constantFrom(
      "a",
      "name",
      "key",
      "keyword",
      "progressToken",
      "maxTokens",
      "code",
      "é",
    );
    const tree = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: fc.constantFrom("a", " ", '"', "\\", "\n", "'", "{", "é", ":", ",", "[") }),
        fc.integer(),
        fc.constantFrom(null, true, false),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(safeName, tie("value"), { maxKeys: 4 }),
      ),
    })).value;
    fc.assert(
      fc.property(tree, fc.string(), fc.integer({ min: 0, max: 3 }), (value, secret, depth) => {
        expect(hider().text(JSON.stringify(value))).toBe(JSON.stringify(value));
        const wrap = (token: unknown) => {
          let text = JSON.stringify({ before: value, token, after: value });
          for (let i = 0; i < depth; i += 1) text = JSON.stringify({ text, other: value });
          return text;
        };
        const given = `x${secret}x`;
        const exported = createHider({ key: undefined, privatePaths: [] });
        expect(exported.text(wrap(given))).toBe(wrap("[hidden]"));
        expect(exported.text(wrap(12.5))).toBe(wrap("[hidden]"));
      }),
    );
  });

  it("leaves JSON parseable, whatever stands in it", () => {
    const piece = fc.constantFrom(
      "a",
      " ",
      '"',
      "\\",
      "\n",
      "'",
      ":",
      ",",
      "]",
      "?",
      "&",
      "token",
      "=",
      "Bearer ",
      "%3D",
    );
    const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
    const name = fc.constantFrom("a", "name", "key", "value", "token", "password", "pass", "apiKeys");
    const tree = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        text,
        fc.integer(),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(name, tie("value"), { maxKeys: 4 }),
      ),
    })).value;
    fc.assert(
      fc.property(tree, fc.boolean(), (value, isNested) => {
        const json = JSON.stringify(value, null, 1);
        const hidden = hider().text(isNested ? JSON.stringify({ text: json }) : json);
        const shown = JSON.parse(hidden) as { text: string };
        if (isNested) JSON.parse(shown.text);
      }),
      { numRuns: 1_000 },
    );
  });

  it("hides nothing of a secret in a JSON text that is cut off anywhere", () => {
    const secret = 'QQQ"QQ\\QQ';
    const text = JSON.stringify({ text: JSON.stringify({ a: 1, token: secret, b: [2] }) });
    for (let end = 0; end <= text.length; end += 1) {
      expect(hider().text(text.slice(0, end))).not.toContain("Q");
    }
  });

  it("takes time in proportion to a hostile text", () => {
    // A visitor sends what makes a careless search begin anew at each sign. The page would hang.
    const units = [
      '"',
      "'",
      "\\",
      '\\"',
      '"token":',
      '"token":"',
      '"token":[',
      '"token"\\\\',
      "eyJ",
      ".eyJaaaaaaaa",
    ];
    units.push(
      "=",
      "%3D",
      "a=",
      "token=&",
      "?token={a}",
      "token={",
      "://",
      "://a:b@",
      "Bearer ",
      "basic aaaa",
    );
    units.push(
      "-----BEGIN PRIVATE KEY-----",
      "form-data;",
      "sk-",
      "?",
      "a?b",
      "&",
      "\\n",
      " ",
      "a",
      "a?b=c&",
    );
    // In milliseconds of this process, whatever else the machine does.
    const timeOf = (texts: readonly string[]) => {
      const each = hider({ privatePaths: ["/private"] });
      const before = process.cpuUsage();
      for (const text of texts) {
        each.text(text);
        each.target(text);
        each.body(text, "multipart/form-data", "/private");
      }
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1_000;
    };
    for (const unit of units) {
      const long = unit.repeat(131_072 / unit.length);
      const short = unit.repeat(16_384 / unit.length);
      const rounds = [1, 2].map(() => [timeOf([long]), timeOf(Array<string>(8).fill(short))] as const);
      const [ofLong, ofShort] = [0, 1].map((i) => Math.min(...rounds.map((round) => round[i as 0 | 1])));
      // As many signs at once as in 8 parts. With the square of them, it would take 8 times as long.
      expect(ofLong, unit).toBeLessThan(4 * (ofShort ?? 0) + 20);
    }
  }, 60_000);

  it("takes a short time for the most expensive texts", () => {
    // Each sign may cost no error, no parsed URL and no hash: the tunnel waits meanwhile. Each of these texts
    // took half a second and more.
    const numbers = Array.from({ length: 50_000 }, (_, i) => String(i)).join();
    const texts = ["%=", "%?", "%&", "%ff=", "a.?", "//[.private%?"].map((unit) =>
      unit.repeat(262_144 / unit.length),
    );
    for (const text of [...texts, `{"token":[${numbers}]}`]) {
      const rounds = [1, 2, 3].map(() => {
        const each = hider({ privatePaths: ["/.private"] });
        const before = process.cpuUsage();
        each.text(text);
        return process.cpuUsage(before).user / 1_000;
      });
      expect(Math.min(...rounds), text.slice(0, 20)).toBeLessThan(200);
    }
  }, 60_000);

  it("finds private paths in any spelling, beyond ASCII too", () => {
    const each = hider({ privatePaths: ["/.own/", "/geh\u00e9im"] });
    const paths = [
      "/.own/a",
      "/%2eown/a",
      "/x/../.OWN/../.own",
      "/x\\..\\.own",
      "/%2",
      "/geh%C3%A9im",
      "/geh%c3%a9im",
      "/g%65h%c3%a9im",
    ];
    const shown = paths.map((path) => each.target(`${path}?a=Q`).includes("Q"));
    expect(shown).toEqual([false, false, false, false, true, false, false, false]);
  });
});

describe("marks", () => {
  it("are given to the first 5,000 secrets of a text, and the others are hidden without", () => {
    const each = hider();
    const hidden = each.text(`{"token":[${Array.from({ length: 6_000 }, (_, i) => 10_000 + i).join()}]}`);
    expect(hidden.match(/\[hidden:/g)?.length).toBe(5_000);
    expect(hidden.match(/\[hidden\]/g)?.length).toBe(1_000);
    expect(hidden).not.toMatch(/[^:\da-f]1\d{4}[^\da-f]/);
  });

  it("are the same for the same secret, whatever came before, and different for another key", () => {
    const text = JSON.stringify({ token: "s3cr3t" });
    const other = hider();
    other.text("token=first&password=second");
    expect(other.text(text)).toBe(hider().text(text));
    expect(hider({ key: Buffer.alloc(32, 8) }).text(text)).not.toBe(hider().text(text));
  });

  it("are found by the hider that made them, and not by others", () => {
    const made = hider();
    const mark = /hidden:(\w+)/.exec(made.text("/x?token=s3cr3t"))?.[1] ?? "";
    expect(made.find(mark)).toBe("s3cr3t");
    expect(made.find("00000000")).toBeUndefined();
    expect(hider().find(mark)).toBeUndefined();
    expect(made.count).toBe(1);
  });

  it("tell nothing in an export", () => {
    const each = hider({ key: undefined });
    expect(each.text("x=1&token=a&password=b")).toBe("x=1&token=[hidden]&password=[hidden]");
    expect(each.count).toBe(2);
    expect(each.find("a")).toBeUndefined();
  });
});

describe("secrets in heads", () => {
  const shown = (name: string, value: string) => hider({ key: undefined }).fields([name, value])[0]?.[1];

  it.each([
    ["Authorization", "Bearer abc", "Bearer [hidden]"],
    ["authorization", "Basic YTpi", "Basic [hidden]"],
    ["AUTHORIZATION", "abc", "[hidden]"],
    ["Proxy-Authorization", "Digest a=b, c=d", "Digest [hidden]"],
    ["Cookie", "a=b; c=d=e;f", "a=[hidden]; c=[hidden];[hidden]"],
    ["Set-Cookie", "a=b; Path=/; Secure", "a=[hidden]; Path=/; Secure"],
    ["Set-Cookie", "a=; Max-Age=0", "a=; Max-Age=0"],
    ["Set-Cookie", "abc; Path=/", "[hidden]; Path=/"],
    ["X-API-Key", "abc", "[hidden]"],
    ["api-key", "abc", "[hidden]"],
    ["Ocp-Apim-Subscription-Key", "abc", "[hidden]"],
    ["X-Auth-Token", "abc", "[hidden]"],
    ["X-CSRF-Token", "abc", "[hidden]"],
    ["X-Hub-Signature-256", "sha256=abc", "[hidden]"],
    ["X-Vault-Secret", "abc", "[hidden]"],
    ["X-Passcode", "abc", "[hidden]"],
    ["X-Forwarded-Access-Token", "abc", "[hidden]"],
    ["Mcp-Param-Password", "abc", "[hidden]"],
    ["Location", "https://a.example/cb?code=abc&state=1", "https://a.example/cb?code=[hidden]&state=1"],
    ["Referer", "https://u:abc@a.example/", "https://u:[hidden]@a.example/"],
    ["Link", "</x?token=abc>; rel=next", "</x?token=[hidden]>; rel=next"],
  ])("hides %s: %s", (name, value, expected) => {
    expect(shown(name, value)).toBe(expected);
  });

  it.each([
    ["WWW-Authenticate", 'Bearer realm="a", error="invalid_token"'],
    ["Mcp-Session-Id", "0123456789abcdef"],
    ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
    ["Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
    ["Idempotency-Key", "abc"],
    ["X-Idempotency-Key", "abc"],
    ["If-None-Match", '"abc"'],
    ["Mcp-Param-Key", "abc"],
    ["Mcp-Param-Keyword", "abc"],
    ["X-RateLimit-Remaining-Tokens", "12"],
    ["Access-Control-Allow-Headers", "Authorization, X-Api-Key"],
    ["Content-Type", "application/json"],
    ["X-Author", "abc"],
    ["X-Monkey", "abc"],
  ])("shows %s", (name, value) => {
    expect(shown(name, value)).toBe(value);
  });
});

describe("secrets in targets and forms", () => {
  const each = hider({ key: undefined, privatePaths: ["/gate/"] });

  it.each([
    ["/a?token=x'y,z&b=1", "/a?token=[hidden]&b=1"],
    ["/a?TOKEN=x", "/a?TOKEN=[hidden]"],
    ["/a?%74oken=x&to+ken=1", "/a?%74oken=[hidden]&to+ken=[hidden]"],
    ["/a?b=1", "/a?b=1"],
    ["/gate/ask?b=1&c&d=", "/gate/ask?b=[hidden]&[hidden]&d="],
    ["/gate?b=1", "/gate?b=[hidden]"],
    ["/x/../%67ate/ask?b=1", "/x/../%67ate/ask?b=[hidden]"],
    ["/gateway?b=1", "/gateway?b=1"],
  ])("%s", (path, expected) => {
    expect(each.target(path)).toBe(expected);
  });

  it("hides every value of a form below a private path", () => {
    const type = "application/x-www-form-urlencoded;charset=utf-8";
    expect(each.body("a=1&b=two words", type, "/gate/ask?x=1")).toBe("a=[hidden]&b=[hidden]");
    expect(each.body("a=1&b=2", type, "/other")).toBe("a=1&b=2");
    const part = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n';
    const body = `${part}1\r\n--b--\r\n`;
    expect(each.body(body, "multipart/form-data; boundary=b", "/gate")).toBe(`${part}[hidden]\r\n--b--\r\n`);
    expect(each.body(body, "multipart/form-data; boundary=b", "/")).toBe(body);
  });

  it("hides the query of a private path in any text", () => {
    expect(each.text("see https://a.example/gate/ask?x=1&y=2 now")).toBe(
      "see https://a.example/gate/ask?x=[hidden]&y=[hidden] now",
    );
    expect(each.fields(["Referer", "http://a.example/gate/ask?x=1"])[0]?.[1]).toContain("?x=[hidden]");
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
