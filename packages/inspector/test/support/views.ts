import type { CallDetail, SummaryMcp } from "../../src/model.js";
import { createHider } from "../../src/secrets/hide.js";
import type { HarContext } from "../../src/views/har.js";

/** What views need, as an export has it. `mcp`: what the entry is in MCP. */
export function harContext(
  given: {
    mcp?: SummaryMcp;
    call?: CallDetail;
    key?: Buffer;
    publicUrl?: string;
    privatePaths?: string[];
  } = {},
): HarContext {
  const { mcp, call, key, publicUrl, privatePaths = [] } = given;
  return {
    hider: createHider({ key, privatePaths }),
    mcp: {
      summary: () => mcp,
      callsOf: () => (call === undefined ? [] : [call.key]),
      call: () => call,
    },
    publicUrl,
  };
}
