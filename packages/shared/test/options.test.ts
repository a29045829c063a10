import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  dropEmptyVariables,
  environmentName,
  optionDescription,
  type OptionValues,
  readSecret,
  sourceName,
} from "../src/command/index.js";

describe("an option", () => {
  it("has a variable of its name", () => {
    expect(environmentName("token-file")).toBe("MCP_TUNNEL_TOKEN_FILE");
  });

  it("is named as it was set: by the flag, or by the variable that was read", () => {
    const from = (source: string, options: OptionValues["options"] = []): OptionValues => ({
      getOptionValue: () => "x",
      getOptionValueSource: () => source,
      options,
    });
    const own = [{ name: () => "token-file", envVar: "MCP_TUNNEL_CLIENT_TOKEN_FILE" }];
    expect(sourceName(from("cli", own), "token-file")).toBe("--token-file");
    expect(sourceName(from("env", own), "token-file")).toBe("MCP_TUNNEL_CLIENT_TOKEN_FILE");
    expect(sourceName(from("env"), "token-file")).toBe("MCP_TUNNEL_TOKEN_FILE");
  });

  it("is left out by a variable that is set and empty", () => {
    const env = { MCP_TUNNEL_RELAY: "", MCP_TUNNEL_TOKEN: "t", OTHER: "" };
    dropEmptyVariables(env);
    expect(env).toEqual({ MCP_TUNNEL_TOKEN: "t", OTHER: "" });
  });

  it.each([
    [{ description: "what it is" }, "what it is"],
    [{ description: "what it is", defaultValue: 5 }, "what it is (default: 5)"],
    [
      { description: "what it is", defaultValue: 5_000, defaultValueDescription: "5s" },
      "what it is (default: 5s)",
    ],
    [{ description: "what it is", defaultValueDescription: "never" }, "what it is (default: never)"],
  ])("%j is described once", (option, text) => expect(optionDescription(option)).toBe(text));
});

describe("a secret", () => {
  const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-secret-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "secret");
  writeFileSync(file, "of the file\n");
  const empty = join(folder, "empty");
  writeFileSync(empty, " \n");

  class Failure extends Error {
    constructor(code: string, message: string, fault: object) {
      super(message);
      Object.assign(this, { code }, fault);
    }
  }

  type Given = Readonly<Record<string, readonly [value: string, source: string]>>;

  function read(given: Given): string | undefined {
    const values: OptionValues = {
      getOptionValue: (key) => given[key]?.[0],
      getOptionValueSource: (key) => given[key]?.[1],
    };
    return readSecret(values, "auth-secret", Failure);
  }

  it("is given as it is, in a file without the end of its line, or not at all", () => {
    expect(read({})).toBeUndefined();
    expect(read({ authSecret: ["given", "cli"] })).toBe("given");
    expect(read({ authSecretFile: [file, "config"] })).toBe("of the file");
  });

  it.each([
    ["cli", "env", "given"],
    ["cli", "config", "given"],
    ["env", "config", "given"],
    ["env", "cli", "of the file"],
    ["config", "cli", "of the file"],
    ["config", "env", "of the file"],
  ])("as it is from %s and in a file from %s is %s", (source, fileSource, secret) => {
    expect(read({ authSecret: ["given", source], authSecretFile: [file, fileSource] })).toBe(secret);
  });

  it.each([
    ["cli", "--auth-secret and --auth-secret-file exclude each other"],
    ["config", "--auth-secret and --auth-secret-file exclude each other"],
    ["env", "MCP_TUNNEL_AUTH_SECRET and MCP_TUNNEL_AUTH_SECRET_FILE exclude each other"],
  ])("is not given twice by %s", (source, message) => {
    const both = { authSecret: ["given", source], authSecretFile: [file, source] } as const;
    expect(() => read(both)).toThrow(message);
    expect(() => read(both)).toThrow(
      expect.objectContaining({ code: "invalid_option", options: ["auth-secret", "auth-secret-file"] }),
    );
  });

  it.each([
    ["cli", "/no/such/file", /^cannot read --auth-secret-file: ENOENT/, "unavailable"],
    ["env", "/no/such/file", /^cannot read MCP_TUNNEL_AUTH_SECRET_FILE: ENOENT/, "unavailable"],
    ["cli", empty, /^--auth-secret-file \S+ is empty$/, "invalid_option"],
  ])("from %s is not in %s", (source, path, message, code) => {
    expect(() => read({ authSecretFile: [path, source] })).toThrow(message);
    expect(() => read({ authSecretFile: [path, source] })).toThrow(
      expect.objectContaining({ code, options: ["auth-secret-file"], file: path }),
    );
  });
});
