import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { createProgram } from "../../packages/relay/src/cli/program.js";

const example = fileURLToPath(new URL("../../examples/compose/compose.yaml", import.meta.url));

describe("the Compose example", () => {
  it("starts the relay with options that it knows", () => {
    const compose = parse(readFileSync(example, "utf8")) as {
      services: { relay: { environment: Record<string, string>; ports: string[] } };
    };
    const { environment, ports } = compose.services.relay;
    const known = createProgram().options.map(({ envVar }) => envVar);
    expect(known).toEqual(expect.arrayContaining(Object.keys(environment)));
    expect(ports).toEqual([`443:${environment["MCP_TUNNEL_PORT"]}`]);
  });
});
