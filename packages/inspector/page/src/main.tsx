import "mcp-tunnel-page/base.css";
import "./style.css";
import { render } from "preact";
import { access, secret } from "./api.ts";
import { App } from "./app.tsx";
import { followHistory } from "./route.ts";

secret.take();
if (secret.value === undefined) access.value = "missing";
followHistory();
// The URL of a new start differs from that of an earlier one in its fragment alone, so a browser does not
// load the page anew.
addEventListener("hashchange", () => {
  if (secret.take()) location.reload();
});

const root = document.getElementById("root");
if (root !== null) render(<App />, root);
