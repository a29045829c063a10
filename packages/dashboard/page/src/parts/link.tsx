import { createLink } from "mcp-tunnel-page/link.tsx";
import { router } from "../route.ts";

export const Link = createLink(router);
