import { expect, it } from "vitest";
import { addressKey, AddressRanges, plainAddress } from "../src/index.js";

it.each([
  ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], ["11.0.0.0", "::10.1.2.3", "a00::"]],
  ["192.0.2.7", ["192.0.2.7"], ["192.0.2.6", "192.0.2.8"]],
  ["0.0.0.0/0", ["1.2.3.4", "::ffff:1.2.3.4"], ["2001:db8::1"]],
  ["160.79.104.0/21", ["160.79.104.0", "160.79.111.255"], ["160.79.103.255", "160.79.112.0"]],
  ["fd00::/8", ["fd12::1", "FD12:0::1"], ["fe80::1", "10.0.0.1"]],
  ["fe80::1", ["fe80::1", "fe80::1%eth0"], ["fe80::2%eth0"]],
  ["::ffff:10.0.0.0/104", ["10.1.2.3"], ["11.1.2.3"]],
])("the range %s has %j, and not %j", (range, inside, outside) => {
  const ranges = new AddressRanges();
  expect(ranges.add(range)).toBe(true);
  expect(ranges.size).toBe(1);
  for (const address of inside) expect([address, ranges.has(address)]).toEqual([address, true]);
  for (const address of outside) expect([address, ranges.has(address)]).toEqual([address, false]);
});

it.each(["", "10.0.0/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0.0/+8", "::/129", "localhost"])(
  "%j is no range",
  (text) => {
    const ranges = new AddressRanges();
    expect(ranges.add(text)).toBe(false);
    expect(ranges.size).toBe(0);
  },
);

it("has nothing that is no address", () => {
  const ranges = new AddressRanges();
  ranges.add("0.0.0.0/0");
  ranges.add("::/0");
  for (const text of ["", "unknown", "10.0.0.1, 10.0.0.2", "10.0.0.1:80"]) {
    expect([text, ranges.has(text)]).toEqual([text, false]);
  }
});

it.each([
  ["::ffff:10.0.0.1", "10.0.0.1"],
  ["::FFFF:10.0.0.1", "10.0.0.1"],
  ["10.0.0.1", "10.0.0.1"],
  ["2001:db8::1", "2001:db8::1"],
  ["::ffff:999.0.0.1", "::ffff:999.0.0.1"],
])("the address %s is written %s", (address, plain) => expect(plainAddress(address)).toBe(plain));

it.each([
  ["10.0.0.1", "10.0.0.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:0DB8:1::6", "2001:db8:1:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
])("the address %s counts as %s", (address, key) => expect(addressKey(address)).toBe(key));
