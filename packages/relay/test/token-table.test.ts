import { describe, expect, it } from "vitest";
import { parseTokenList, type TokenEntry } from "../src/auth/token-list.js";
import { tokenTable } from "../src/cli/output/token-table.js";

const now = Date.parse("2026-06-01T12:00:00Z");

function read(text: string): TokenEntry[] {
  const read = parseTokenList(text);
  if ("problems" in read) throw new Error(JSON.stringify(read.problems));
  return read.value;
}

const tokens = read(`
tokens:
  - sha256: ${"a".repeat(64)}
    subdomains: [ann, ann-*]
    note: Ann's laptop, the one with the long note
    limits: { maxTunnels: 3, maxRequestsPerSecond: 50, maxBytesPerSecond: 2MiB }
    previous: { sha256: ${"b".repeat(64)}, until: 2026-06-01T13:00:00Z }
  - sha256: ${"c".repeat(64)}
    subdomains: [ci]
    expires: 2026-05-01
    limits: { maxBytesPerSecond: 1000 }
`);

describe("the table of tokens", () => {
  it("has a line for each secret, with its limits", () => {
    expect(tokenTable(tokens, now)).toEqual([
      "ID            SUBDOMAINS  EXPIRES             TUNNELS  REQ/S  BYTES/S  NOTE",
      "aaaaaaaaaaaa  ann,ann-*   never               3        50     2MiB     Ann's laptop, the one with the long note",
      "bbbbbbbbbbbb  ann,ann-*   2026-06-01 13:00    3        50     2MiB     old secret of aaaaaaaaaaaa",
      "cccccccccccc  ci          expired 2026-05-02  -        -      1000",
    ]);
  });

  it("cuts notes before it leaves out columns", () => {
    const [first] = tokens as [TokenEntry];
    expect(tokenTable([{ ...first, previous: undefined }], now, 80)).toEqual([
      "ID            SUBDOMAINS  EXPIRES  TUNNELS  REQ/S  BYTES/S  NOTE",
      "aaaaaaaaaaaa  ann,ann-*   never    3        50     2MiB     Ann's laptop, the o…",
      "",
      "long texts are cut (--wide and --json have all)",
    ]);
    expect(tokenTable(tokens, now, 80)).toEqual([
      "ID            SUBDOMAINS  EXPIRES             REQ/S  BYTES/S  NOTE",
      "aaaaaaaaaaaa  ann,ann-*   never               50     2MiB     Ann's laptop, the…",
      "bbbbbbbbbbbb  ann,ann-*   2026-06-01 13:00    50     2MiB     old secret of aaa…",
      "cccccccccccc  ci          expired 2026-05-02  -      1000",
      "",
      "no room for TUNNELS; long texts are cut (--wide and --json have all)",
    ]);
  });

  it("fits into 80 columns, with names that are long and many", () => {
    const names = Array.from({ length: 20 }, (_, i) => `${"name".repeat(10)}${i}`).join(", ");
    const note = `${"x".repeat(8)}${"🔑".repeat(40)}`;
    const many = read(
      `tokens: [{ sha256: ${"d".repeat(64)}, subdomains: [${names}], note: ${note}, expires: 2026-05-01 }]`,
    );
    for (const list of [tokens, many, [...tokens, ...many]]) {
      const lines = tokenTable(list, now, 80);
      expect(lines.filter((line) => line.length > 80)).toEqual([]);
      expect(lines[1]).toMatch(/^[ad]{12} {2}/);
      expect(lines.join("\n")).not.toMatch(/\\u/);
    }
    expect(tokenTable(many, now, 300)[1]).toContain("1,name");
  });
});
