import "./style.css";
import { render } from "preact";
import { access } from "./api.ts";
import { App } from "./app.tsx";
import { followHistory } from "./route.ts";
import { secretOf, takeSecret } from "./secret.ts";

takeSecret();
if (secretOf() === undefined) access.value = "missing";
followHistory();
// The URL of a new start differs from that of an earlier one in its fragment alone, so a browser does not
// load the page anew.
addEventListener("hashchange", () => {
  if (takeSecret()) location.reload();
});

const root = document.getElementById("root");
if (root !== null) render(<App />, root);
