import type { Session } from "../clients.js";
import { stepsOf } from "./steps.js";

/** mcp-server-time, which speaks both eras. */
export async function timeScenario(session: Session): Promise<void> {
  const { step, call, tool } = stepsOf(session);
  if (!session.isModern) await step("ping", call("ping"));
  await step("list tools", call("tools/list"));
  await step("now", tool("get_current_time", { timezone: "Europe/Berlin" }));
  const conversion = { source_timezone: "Europe/Berlin", time: "16:30", target_timezone: "Asia/Kathmandu" };
  await step("convert", tool("convert_time", conversion));
  await step("a zone that is not there", tool("get_current_time", { timezone: "Nowhere" }));
  await step("arguments that are wrong", tool("convert_time", { time: 1 }));
  await step("a tool that is not there fails", tool("nothing"));
  await step("no resources", call("resources/list"));
  await step("no prompts", call("prompts/list"));
  await step("a method that nobody knows fails", call("example.com/unknown"));
  await step.many("many at once", () =>
    Promise.all(Array.from({ length: 20 }, () => session.tool("convert_time", conversion))),
  );
}
