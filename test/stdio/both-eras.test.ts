import { describeServers } from "./compare.js";
import { bothErasScenario, sdk2Scenario } from "./scenarios/both-eras.js";
import { timeScenario } from "./scenarios/time.js";
import { features, missingPythonServers, sdk2, time } from "./servers.js";

const asked = ["elicitation/create", "roots/list", "sampling/createMessage"];
const told = ["notifications/progress", "notifications/resources/updated"];

describeServers([
  {
    name: "mcp-server-time, of the Python SDK",
    missing: missingPythonServers,
    server: time,
    scenario: timeScenario,
    sends: { legacy: [], modern: [] },
  },
  {
    name: "a server of the Python SDK with everything",
    missing: missingPythonServers,
    server: features,
    scenario: bothErasScenario({
      scheme: "features",
      tools: {
        count: { to: 5 },
        cancelled: "cancellations",
        changes: { touch: "notifications/resources/updated" },
        more: ["look"],
      },
    }),
    sends: { legacy: [...asked, ...told, "notifications/message"], modern: told },
  },
  {
    name: "a `serveStdio` of the TypeScript SDK 2",
    missing: () => false,
    server: sdk2,
    scenario: sdk2Scenario,
    sends: { legacy: [...asked, ...told, "notifications/message"], modern: told },
  },
]);
