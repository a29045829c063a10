import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll } from "vitest";
import { describeServers } from "./compare.js";
import { everythingScenario } from "./scenarios/everything.js";
import { filesystemScenario } from "./scenarios/filesystem.js";
import { memoryScenario } from "./scenarios/memory.js";
import { everything, filesystem, memory, missingNpmServers, scratchFolder } from "./servers.js";

const scratch = scratchFolder();
afterAll(() => scratch.close());
const files = join(scratch.path, "files");
const graph = join(scratch.path, "graph.jsonl");

describeServers([
  {
    name: "server-everything",
    missing: missingNpmServers,
    server: everything,
    scenario: everythingScenario,
    sends: {
      legacy: [
        "elicitation/create",
        "notifications/message",
        "notifications/progress",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
        "notifications/tools/list_changed",
        "roots/list",
        "sampling/createMessage",
      ],
    },
  },
  {
    name: "server-filesystem",
    missing: missingNpmServers,
    server: () => filesystem(files),
    reset() {
      rmSync(files, { recursive: true, force: true });
      mkdirSync(files);
      writeFileSync(join(files, "hello.txt"), "hello\nworld\n");
      writeFileSync(join(files, "dot.png"), Buffer.from("iVBORw0KGgo=", "base64"));
    },
    scenario: filesystemScenario(files),
    sends: { legacy: ["roots/list"] },
  },
  {
    name: "server-memory",
    missing: missingNpmServers,
    server: () => memory(graph),
    reset: () => rmSync(graph, { force: true }),
    scenario: memoryScenario,
    sends: { legacy: [] },
  },
]);
