import type { IncomingMessage, ServerResponse } from "node:http";
import { PageFiles } from "mcp-tunnel-shared/page";

/** The files of the dashboard. They are loaded when somebody asks for the first of them. */
export class AdminPage {
  #files: Promise<PageFiles> | undefined;

  /** @throws ApiProblem for a path or a method that there is not. */
  async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    this.#files ??= loadFiles();
    (await this.#files).answer(req, res);
  }
}

async function loadFiles(): Promise<PageFiles> {
  const { files } = await import("mcp-tunnel-dashboard");
  return new PageFiles(files);
}
