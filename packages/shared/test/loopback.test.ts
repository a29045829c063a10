import { expect, it } from "vitest";
import { isLocalhost, isLoopback, isLoopbackAddress } from "../src/index.js";

it.each([
  "127.0.0.1",
  "127.255.255.255",
  "::1",
  "[::1]",
  "0:0:0:0:0:0:0:1",
  "::ffff:127.0.0.1",
  "[::FFFF:7f00:1]",
])("%s is an address of this machine", (text) => {
  expect(isLoopbackAddress(text)).toBe(true);
  expect(isLoopback(text)).toBe(true);
});

it.each([
  "",
  "localhost",
  "128.0.0.1",
  "127.0.0.256",
  "127.0.0.01",
  "127.1",
  "127.0.0.1.evil.test",
  "::",
  "::2",
  "::7f00:1",
  "::ffff:7f",
  "::ffff:10.0.0.1",
  "[::1]:80",
  "::1]/[",
  "fe80::1%lo",
])("%j is not", (text) => expect(isLoopbackAddress(text)).toBe(false));

it.each([
  ["localhost", true],
  ["LOCALHOST.", true],
  ["app.localhost", true],
  ["notlocalhost", false],
  ["localhost.evil.test", false],
  ["127.0.0.1", false],
])("%s is a name of this machine: %s", (name, expected) => expect(isLocalhost(name)).toBe(expected));
