import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { settingsIn } from "../../../test/support/systems.js";
import { configFolder } from "../src/credentials/config-folder.js";
import {
  credentialsFile,
  forgetCredential,
  keepCredential,
  keptCredential,
  keptCredentials,
} from "../src/credentials/credentials.js";

const closing = closingAfterEach();
beforeEach(() => {
  const { path } = closing(createFolder());
  for (const [name, value] of Object.entries(settingsIn(join(path, "config")))) vi.stubEnv(name, value);
});
afterEach(() => vi.unstubAllEnvs());

describe("the folder of settings", () => {
  it.each([
    ["Linux", "linux", {}, "/srv/ada/.config/mcp-tunnel"],
    ["Linux with XDG_CONFIG_HOME", "linux", { XDG_CONFIG_HOME: "/srv/c" }, "/srv/c/mcp-tunnel"],
    ["Linux with a relative one", "linux", { XDG_CONFIG_HOME: "c" }, "/srv/ada/.config/mcp-tunnel"],
    ["macOS", "darwin", {}, "/srv/ada/.config/mcp-tunnel"],
    ["Windows", "win32", { APPDATA: "C:\\Users\\ada\\Roam" }, "C:\\Users\\ada\\Roam\\mcp-tunnel"],
  ] as const)("is on %s where people look for it", (_, platform, env, folder) => {
    expect(configFolder(platform, env, "/srv/ada")).toBe(folder);
  });

  it("is in the profile on Windows without APPDATA", () => {
    expect(configFolder("win32", {}, "C:\\Users\\ada")).toBe("C:\\Users\\ada\\AppData\\Roaming\\mcp-tunnel");
  });
});

describe("what a login keeps", () => {
  it("is found by any spelling of the relay, and the last one is the default", async () => {
    expect(keptCredential()).toBeUndefined();
    expect(await keepCredential("wss://One.Example:443/", "of one")).toBe("https://one.example");
    await keepCredential("two.example/below", "of two");
    expect(keptCredential()).toEqual({ relay: "https://two.example/below", token: "of two" });
    for (const spelling of ["one.example", "https://one.example/", "wss://ONE.example:443"])
      expect(keptCredential(spelling)?.token).toBe("of one");
    await keepCredential("one.example", "renewed");
    expect(keptCredential()).toEqual({ relay: "https://one.example", token: "renewed" });
    expect(keptCredentials().length).toBe(2);
  });

  it.each([
    "http://one.example",
    "https://one.example:444",
    "https://one.example/below",
    "https://one.example.evil.example",
    "https://xone.example",
  ])("is not for %s", async (other) => {
    await keepCredential("https://one.example", "secret");
    expect(keptCredential(other)).toBeUndefined();
  });

  it("is forgotten one by one, and with the last one the file is gone", async () => {
    await keepCredential("one.example", "a");
    await keepCredential("two.example", "b");
    await forgetCredential("https://two.example");
    expect(keptCredential()?.relay).toBe("https://one.example");
    await forgetCredential("https://one.example");
    expect(existsSync(credentialsFile())).toBe(false);
    expect(readdirSync(dirname(credentialsFile()))).toEqual([]);
  });
});

describe.runIf(process.getuid !== undefined)("the file of a login", () => {
  it("is its owner's alone, and so is the folder", async () => {
    await keepCredential("one.example", "secret");
    const modes = [credentialsFile(), dirname(credentialsFile())].map((path) => statSync(path).mode & 0o777);
    expect(modes).toEqual([0o600, 0o700]);
  });

  it.each([
    ["open to others", (file: string) => chmodSync(file, 0o644), /mode 644.*'chmod 600'/],
    ["no JSON", (file: string) => writeFileSync(file, "secret"), /is broken \(it is not JSON\)/],
    [
      "of another form",
      (file: string) => writeFileSync(file, '{"version":1,"relays":["secret"]}'),
      /is broken/,
    ],
    [
      "of another version",
      (file: string) => writeFileSync(file, '{"version":2}'),
      /version must be 1, the version that/,
    ],
  ])("is refused if it is %s, and stays as it is", async (_, spoil, message) => {
    await keepCredential("one.example", "secret");
    const file = credentialsFile();
    spoil(file);
    const before = readFileSync(file, "utf8");
    const error = { code: "unavailable", message: expect.stringMatching(message), file };
    expect(() => keptCredential()).toThrow(expect.objectContaining(error));
    await expect(keepCredential("one.example", "other")).rejects.toMatchObject(error);
    expect(() => keptCredential()).toThrow(expect.not.stringContaining("secret"));
    expect(readFileSync(file, "utf8")).toBe(before);
  });

  it("is not a link to another, and nothing is written through a link", async () => {
    await keepCredential("one.example", "secret");
    const file = credentialsFile();
    const target = join(dirname(dirname(file)), "target");
    writeFileSync(target, "untouched", { mode: 0o600 });
    await forgetCredential("https://one.example");
    symlinkSync(target, file);
    expect(() => keptCredential()).toThrow(/symbolic link/);
    await expect(keepCredential("one.example", "secret")).rejects.toThrow(/symbolic link/);
    expect(readFileSync(target, "utf8")).toBe("untouched");
  });

  it("is not kept in a folder that others may write to", async () => {
    await keepCredential("one.example", "secret");
    chmodSync(dirname(credentialsFile()), 0o777);
    await expect(keepCredential("two.example", "secret")).rejects.toThrow(/'chmod 755'/);
  });
});
