import { createApi } from "mcp-tunnel-page/api.ts";
import { TabSecret } from "mcp-tunnel-page/secret.ts";

export const secret = new TabSecret("mcp-tunnel-dashboard-secret");

export const { access, callApi, getJson, sendJson } = createApi({
  secret,
  missing: "This page needs the relay's admin secret.",
  unreachable: "The relay does not answer.",
});

/** Forgets the secret, and shows the page that asks for it. */
export function signOut(): void {
  secret.forget();
  access.value = "missing";
}
