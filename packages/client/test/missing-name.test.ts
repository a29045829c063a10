import type { NetworkInterfaceInfo } from "node:os";
import { expect, it } from "vitest";
import { isMissingName } from "../src/net/missing-name.js";

const own = { address: "127.0.0.1", internal: true };
const linkLocal = [
  { address: "fe80::1", internal: false },
  { address: "169.254.7.7", internal: false },
];
const wireless = { address: "192.168.1.7", internal: false };

const failure = (code: string): Error => Object.assign(new Error(code), { code });
const isMissing = (code: string, platform: NodeJS.Platform, addresses: readonly object[]): boolean =>
  isMissingName(failure(code), {
    platform,
    interfaces: () => ({ lo: addresses as NetworkInterfaceInfo[], none: undefined }),
  });

/** The fault: a laptop without a network took the relay's name for wrong, and ended with status 5. */
it.each(["darwin", "win32"] as const)("on %s a name is missing only while there is a network", (platform) => {
  expect(isMissing("ENOTFOUND", platform, [own, ...linkLocal])).toBe(false);
  expect(isMissing("ENOTFOUND", platform, [own, ...linkLocal, wireless])).toBe(true);
});

it("nothing is missing for good if nobody knows whether there is a network", () => {
  const interfaces = (): never => {
    throw failure("EMFILE");
  };
  expect(isMissingName(failure("ENOTFOUND"), { platform: "darwin", interfaces })).toBe(false);
});

it("on Linux the resolver tells the two apart by itself", () => {
  expect(isMissing("ENOTFOUND", "linux", [own])).toBe(true);
  expect(isMissing("EAI_AGAIN", "linux", [own, wireless])).toBe(false);
  expect(isMissing("ECONNREFUSED", "darwin", [own, wireless])).toBe(false);
});
