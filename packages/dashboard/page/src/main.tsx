import { render } from "preact";

const root = document.getElementById("root");
if (root !== null) render(<h1>mcp-tunnel relay</h1>, root);
