import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createInspector } from "../src/index.js";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "inspector-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

it.each([
  [{ maxExchanges: 0 }, "maxExchanges"],
  [{ maxExchanges: 1.5 }, "maxExchanges"],
  [{ maxBytes: Number.NaN }, "maxBytes"],
  [{ serviceName: 3 }, "serviceName"],
  [{ maxEntries: 3 }, "maxEntries"],
])("refuses %j", (options, name) => {
  const create = (): unknown => createInspector(options as object);
  expect(create).toThrow(expect.objectContaining({ code: "invalid_option", options: [name] }));
});

it("refuses places and bounds that there cannot be", async () => {
  const inspector = createInspector();
  await expect(inspector.listen({ port: 65_536 })).rejects.toMatchObject({ code: "invalid_option" });
  await expect(inspector.listen({ host: "192.0.2.1" })).rejects.toMatchObject({ code: "invalid_option" });
  const path = folder();
  await expect(inspector.record(join(path, "a.har"), { maxBytes: -1 })).rejects.toMatchObject({
    code: "invalid_option",
  });
  expect(readdirSync(path)).toEqual([]);
});

it("leaves nothing open that was being opened when it was closed", async () => {
  const inspector = createInspector();
  const listening = inspector.listen();
  const recording = inspector.record(join(folder(), "a.har"));
  const closed = expect.objectContaining({ code: "invalid_state" });
  const refused = [expect(listening).rejects.toEqual(closed), expect(recording).rejects.toEqual(closed)];
  await inspector.close();
  await Promise.all(refused);
});

it("has a page at each address at which it listens", async () => {
  const inspector = createInspector();
  const [one, other] = [await inspector.listen(), await inspector.listen()];
  expect(one.port).not.toBe(other.port);
  expect(one.secret).not.toBe(other.secret);
  await inspector.close();
  for (const { port } of [one, other]) {
    const error = await new Promise((resolve) => connect(port, "127.0.0.1").on("error", resolve));
    expect(error).toMatchObject({ code: "ECONNREFUSED" });
  }
});
