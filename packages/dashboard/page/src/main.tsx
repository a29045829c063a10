import "mcp-tunnel-page/base.css";
import "./style.css";
import { render } from "preact";
import { access, secret } from "./api.ts";
import { App } from "./app.tsx";
import { followHistory } from "./route.ts";

secret.take();
if (secret.value === undefined) access.value = "missing";
followHistory();
// Another secret in the fragment of the same URL: a browser does not load the page anew for it.
addEventListener("hashchange", () => {
  if (secret.take()) location.reload();
});

const root = document.getElementById("root");
if (root !== null) render(<App />, root);
