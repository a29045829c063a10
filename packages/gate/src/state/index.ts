export type { GrantStorage } from "../grants.js";
