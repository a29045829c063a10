import { type Answer, ApiProblem, type Route } from "mcp-tunnel-shared/page";
import type { AdminSource } from "./source.js";
import type { TokensApi } from "./tokens-api.js";

/**
 * `/api/tokens`. What edits the file is loaded when it is asked for the first time, because a file is read by
 * the libraries for YAML and schemas.
 */
export function tokenRoutes(
  route: (path: string, methods: Route["methods"]) => Route,
  source: AdminSource,
  tokenFile: string | undefined,
): readonly Route[] {
  let loaded: Promise<TokensApi> | undefined;
  const load = async (file: string): Promise<TokensApi> => {
    const { TokensApi: Api } = await import("./tokens-api.js");
    return new Api(file, source);
  };
  const by =
    (method: "list" | "create" | "edit" | "rotate" | "revoke"): Answer =>
    async (visit) => {
      if (tokenFile === undefined) throw noTokenFile();
      loaded ??= load(tokenFile);
      await (await loaded)[method](visit);
    };
  return [
    route("/api/tokens", { GET: by("list"), POST: by("create") }),
    route("/api/tokens/ID", { PATCH: by("edit"), DELETE: by("revoke") }),
    route("/api/tokens/ID/rotate", { POST: by("rotate") }),
  ];
}

function noTokenFile(): ApiProblem {
  const message = "the relay's tokens are in no file: start it with --token-file to see and change them here";
  return new ApiProblem(409, "no_token_file", message);
}
