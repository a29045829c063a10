import type { Session } from "../clients.js";
import { cancelling, progressing, stepsOf } from "./steps.js";

const updated = "notifications/resources/updated";
const logged = "notifications/message";
const watched = "demo://resource/dynamic/text/1";

/** All that server-everything can do, which speaks the legacy eras. */
export async function everythingScenario(session: Session): Promise<void> {
  const { journal, step, call, tool } = stepsOf(session);

  // The server adds tools for what the client can do. Then it asks for the roots.
  await step("the server asks for the roots by itself", async () => {
    await journal.received("roots/list");
    await journal.received(logged);
  });
  await step("ping", call("ping"));
  await step("list tools", call("tools/list"));
  await step("list resources", call("resources/list"));
  await step("list resource templates", call("resources/templates/list"));
  await step("list prompts", call("prompts/list"));

  await step("echo", tool("echo", { message: "ä€😀\u2028 \\ \n" }));
  await step("echo a megabyte", tool("echo", { message: "ä€😀x".repeat(150_000) }));
  await step("arguments that are wrong", tool("echo", { message: 1 }));
  await step("a tool that is not there", tool("nothing"));
  await step("sum", tool("get-sum", { a: 1.5, b: -3 }));
  await step("image", tool("get-tiny-image"));
  await step("annotations", tool("get-annotated-message", { messageType: "error", includeImage: true }));
  await step("resource links", tool("get-resource-links", { count: 4 }));
  await step("structured content", tool("get-structured-content", { location: "Chicago" }));
  await step("roots", tool("get-roots-list"));
  await step("roots have changed", async () => {
    await session.rootsChanged();
    await journal.received("roots/list");
    await journal.received(logged);
  });
  const gzip = { name: "a.gz", data: "data:text/plain;base64,YQ==", outputType: "resourceLink" };
  await step("a new resource", async () => {
    const answer = await session.tool("gzip-file-as-resource", gzip);
    await journal.received("notifications/resources/list_changed");
    return answer;
  });
  await step("read the new resource", call("resources/read", { uri: "demo://resource/session/a.gz" }));

  await step("progress", () =>
    progressing(session, "trigger-long-running-operation", { duration: 0.2, steps: 4 }),
  );
  await step("no progress asked for", tool("trigger-long-running-operation", { duration: 0.1, steps: 2 }));
  await step("sampling", tool("trigger-sampling-request", { prompt: "What is a tunnel?", maxTokens: 10 }));
  await step("elicitation of a form", tool("trigger-elicitation-request"));
  for (const action of ["decline", "cancel"] as const) {
    await step(`the user says ${action}`, () => {
      session.user.action = action;
      return session.tool("trigger-elicitation-request");
    });
  }
  session.user.action = "accept";
  const page = { url: "https://example.com/page", elicitationId: "an id" };
  await step("elicitation of a page", tool("trigger-url-elicitation", page));
  await step(
    "elicitation of a page by an error fails",
    tool("trigger-url-elicitation", { ...page, errorPath: true }),
  );

  await step("read text", call("resources/read", { uri: watched }));
  await step("read bytes", call("resources/read", { uri: "demo://resource/static/document/features.md" }));
  await step("read nothing fails", call("resources/read", { uri: "demo://nothing" }));
  await step("set the level", call("logging/setLevel", { level: "debug" }));
  await step("subscribe", call("resources/subscribe", { uri: watched }));
  await step("updates", async () => {
    const answer = await session.tool("toggle-subscriber-updates");
    await journal.received(updated);
    return answer;
  });
  await step("no more updates", tool("toggle-subscriber-updates"));
  await step("unsubscribe", call("resources/unsubscribe", { uri: watched }));
  await step("log", async () => {
    const answer = await session.tool("toggle-simulated-logging");
    await journal.received(logged);
    return answer;
  });
  await step("no more log", tool("toggle-simulated-logging"));

  await step("a prompt", call("prompts/get", { name: "simple-prompt" }));
  await step(
    "a prompt with arguments",
    call("prompts/get", { name: "args-prompt", arguments: { city: "Ulm" } }),
  );
  const embedded = { resourceType: "Text", resourceId: "2" };
  await step(
    "a prompt with a resource",
    call("prompts/get", { name: "resource-prompt", arguments: embedded }),
  );
  await step("a prompt without its argument fails", call("prompts/get", { name: "args-prompt" }));
  await step(
    "completion",
    call("completion/complete", {
      ref: { type: "ref/prompt", name: "completable-prompt" },
      argument: { name: "name", value: "A" },
      context: { arguments: { department: "Engineering" } },
    }),
  );

  await step("a method that nobody knows fails", call("example.com/unknown", { a: [1] }));
  await step.many("many at once", () =>
    Promise.all(Array.from({ length: 30 }, (_, a) => session.tool("get-sum", { a, b: 1_000 }))),
  );
  const slow = { duration: 0.2, steps: 2 };
  await step.many("many with progress at once", () =>
    Promise.all(
      Array.from({ length: 10 }, () => progressing(session, "trigger-long-running-operation", slow)),
    ),
  );
  await step.many("many that ask at once", () =>
    Promise.all(
      Array.from({ length: 5 }, (_, i) => session.tool("trigger-sampling-request", { prompt: `${i}` })),
    ),
  );
  const research = {
    name: "simulate-research-query",
    arguments: { topic: "python", ambiguous: true },
    task: { ttl: 60_000 },
  };
  let taskId: unknown;
  await step("a task", async () => {
    const made = await session.call("tools/call", research);
    taskId = (made as { task: { taskId: string } }).task.taskId;
    return made;
  });
  if (session.generation === "v1") {
    // It takes four seconds, and asks the user in the middle of them.
    await step("the task's result", () => session.call("tasks/result", { taskId }));
  } else {
    await step("cancel the task", () => session.call("tasks/cancel", { taskId }));
  }
  await step("the task's state", () => session.call("tasks/get", { taskId }));

  // The server never answers it, and takes no note of it: it goes on to report progress. It takes long enough
  // for the client to give it up before its end.
  await step("a call that is given up fails", async () => {
    const call = cancelling(session, "trigger-long-running-operation", { duration: 1.2, steps: 3 });
    await journal.received("notifications/progress", 3);
    return call;
  });
  await step(
    "sampling beside a call that was given up",
    tool("trigger-sampling-request", { prompt: "Again?" }),
  );
}
