import type { Session } from "../clients.js";
import { cancelling, progressing, stepsOf } from "./steps.js";

/** What differs between the two servers that were written for these tests. */
export interface Own {
  /** The scheme of its resources. */
  readonly scheme: string;
  readonly tools: {
    /** The arguments of `count`, which reports its progress. */
    readonly count: Record<string, unknown>;
    /** What waits for a call of `wait` to be cancelled. */
    readonly cancelled: string;
    /** Tools that make something change, with what the server then sends. */
    readonly changes: Readonly<Record<string, string>>;
    /** More tools, without arguments. */
    readonly more: readonly string[];
  };
}

/**
 * A server of the second generation, which speaks both eras: in one of them it asks, in the other it is
 * asked again.
 */
export function bothErasScenario({ scheme, tools }: Own): (session: Session) => Promise<void> {
  return async (session) => {
    const { journal, step, call, tool } = stepsOf(session);
    const watched = `${scheme}://watched`;

    await step("list tools", call("tools/list"));
    await step("list resources", call("resources/list"));
    await step("list resource templates", call("resources/templates/list"));
    await step("list prompts", call("prompts/list"));
    await step("read text", call("resources/read", { uri: watched }));
    await step("read bytes", call("resources/read", { uri: `${scheme}://number/12` }));
    await step("read nothing fails", call("resources/read", { uri: `${scheme}://nothing` }));
    await step("a prompt", call("prompts/get", { name: "greet", arguments: { name: "Ada" } }));
    await step("a prompt that is not there fails", call("prompts/get", { name: "nothing" }));

    await step("progress", () => progressing(session, "count", tools.count));
    await step("no progress asked for", tool("count", tools.count));
    await step("a failure", tool("fail"));
    for (const name of tools.more) await step(name, tool(name));
    await step("a text of two megabytes", tool("large", { size: 200_000 }));
    await step("the user is asked", tool("choose"));
    await step("the user declines", () => {
      session.user.action = "decline";
      return session.tool("choose");
    });
    session.user.action = "accept";
    await step("the model is asked", tool("think"));
    await step("log", tool("log"));

    const change = async (): Promise<unknown> => {
      const said = [];
      for (const [name, method] of Object.entries(tools.changes)) {
        said.push(await session.tool(name));
        await journal.received(method);
      }
      return said;
    };
    if (session.isModern) {
      // A subscription and a call have a stream each.
      await step.many("changes, to who has subscribed", async () => {
        const subscription = await session.listen({
          resourceSubscriptions: [watched],
          toolsListChanged: true,
        });
        const said = await change();
        await subscription.close();
        return [said, await subscription.closed];
      });
      await step("changes, to nobody", () => session.tool("touch"));
    } else {
      await step("ping", call("ping"));
      await step("changes", change);
    }
    await step("a method that nobody knows fails", call("example.com/unknown"));
    await step.many("many with progress at once", () =>
      Promise.all(Array.from({ length: 20 }, () => progressing(session, "count", tools.count))),
    );

    await step("a call that is given up fails", () => cancelling(session, "wait"));
    await step("the server has heard of it", tool(tools.cancelled));
    await step("the model is asked beside a call that was given up", tool("think"));
  };
}

/** The same for `test/stdio/sdk2-server.mjs`. */
export const sdk2Scenario = bothErasScenario({
  scheme: "sdk2",
  tools: {
    count: { to: 5, pauseMs: 0 },
    cancelled: "cancelled",
    changes: {
      touch: "notifications/resources/updated",
      grow: "notifications/tools/list_changed",
    },
    more: ["media", "open"],
  },
});
