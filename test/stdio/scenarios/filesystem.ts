import { join } from "node:path";
import type { Session } from "../clients.js";
import { stepsOf } from "./steps.js";

/** server-filesystem, with a folder that has a file `hello.txt` and an image `dot.png`. */
export function filesystemScenario(folder: string): (session: Session) => Promise<void> {
  return async (session) => {
    const { journal, step, call, tool } = stepsOf(session);
    const path = (name: string): { path: string } => ({ path: join(folder, name) });

    // The roots are no folders here, so the server keeps to the folder that it was started with.
    await step("the server asks for the roots by itself", () => journal.received("roots/list"));
    await step("list tools", call("tools/list"));
    await step("allowed folders", tool("list_allowed_directories"));
    await step("list a folder", tool("list_directory", path(".")));
    await step("read a text", tool("read_text_file", path("hello.txt")));
    await step("read its first line", tool("read_text_file", { ...path("hello.txt"), head: 1 }));
    await step("read an image", tool("read_media_file", path("dot.png")));
    await step(
      "read several",
      tool("read_multiple_files", { paths: [path("hello.txt").path, path("no.txt").path] }),
    );
    await step("write", tool("write_file", { ...path("new.txt"), content: "ä€😀\r\n\u2028" }));
    const edits = [{ oldText: "hello", newText: "good day" }];
    await step("edit", tool("edit_file", { ...path("hello.txt"), edits, dryRun: true }));
    await step("make a folder", tool("create_directory", path("folder")));
    const moved = { source: path("new.txt").path, destination: path("folder/new.txt").path };
    await step("move", tool("move_file", moved));
    await step("tree", tool("directory_tree", path(".")));
    await step("search", tool("search_files", { ...path("."), pattern: "**/*.txt" }));
    await step("facts of a file", tool("get_file_info", path("hello.txt")));
    await step("a file elsewhere", tool("read_text_file", { path: "/etc/hostname" }));
    await step(
      "two megabytes",
      tool("write_file", { ...path("large.txt"), content: "ä€😀x".repeat(200_000) }),
    );
    await step("read two megabytes", tool("read_text_file", path("large.txt")));
    await step.many("many at once", () =>
      Promise.all(Array.from({ length: 20 }, () => session.tool("read_text_file", path("hello.txt")))),
    );
    await step("a method that nobody knows fails", call("example.com/unknown"));
  };
}
