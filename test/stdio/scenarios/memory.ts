import type { Session } from "../clients.js";
import { stepsOf } from "./steps.js";

/** server-memory, which begins with an empty graph. */
export async function memoryScenario(session: Session): Promise<void> {
  const { step, call, tool } = stepsOf(session);
  const entities = [
    { name: "relay", entityType: "program", observations: ["has a public address"] },
    { name: "client", entityType: "program", observations: ["runs on a laptop", "ä€😀"] },
  ];
  await step("list tools", call("tools/list"));
  await step("an empty graph", tool("read_graph"));
  await step("add entities", tool("create_entities", { entities }));
  const relations = [{ from: "client", to: "relay", relationType: "connects to" }];
  await step("add a relation", tool("create_relations", { relations }));
  const observations = [{ entityName: "relay", contents: ["listens"] }];
  await step("add an observation", tool("add_observations", { observations }));
  await step(
    "an entity that is not there",
    tool("add_observations", { observations: [{ entityName: "x", contents: [] }] }),
  );
  await step("the graph", tool("read_graph"));
  await step("search", tool("search_nodes", { query: "laptop" }));
  await step("open", tool("open_nodes", { names: ["relay"] }));
  await step("delete a relation", tool("delete_relations", { relations }));
  await step("delete an entity", tool("delete_entities", { entityNames: ["client"] }));
  await step("the graph at the end", tool("read_graph"));
}
