import { routesWith } from "mcp-tunnel-shared/page";

/** A path with `ID`, `KEY` and `MARK` in the places of what differs. */
export const route = routesWith({
  ID: "[1-9][0-9]{0,14}",
  KEY: "[A-Za-z0-9.-]{1,64}",
  MARK: "[0-9a-f]{8}",
});
