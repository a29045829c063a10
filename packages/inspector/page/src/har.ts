import type { Filters } from "../../src/model.ts";
import { callApi, messageOf } from "./api.ts";
import { say } from "mcp-tunnel-page/notice.ts";
import { queryOf } from "./route.ts";

/** Saves what matches the filters as a file. A link cannot carry the secret, so the page fetches the file. */
export async function saveHar(filters: Filters): Promise<void> {
  try {
    const response = await callApi(`har${queryOf(filters)}`);
    const url = URL.createObjectURL(await response.blob());
    const anchor = document.createElement("a");
    anchor.href = url;
    anchor.download = `mcp-tunnel-${new Date().toISOString().replace(/[:.]/g, "-")}.har`;
    anchor.click();
    // A browser has begun to read the blob by then.
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch (error) {
    say(messageOf(error), true);
  }
}
