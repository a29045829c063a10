// The entry /admin: the operator's listener, for a relay in a program. What it serves, docs/metrics.md says.
export { createAdminServer } from "./admin/server.js";
export type { AdminOptions } from "./admin/admin-options.js";
export type { AdminServer } from "./admin/server.js";
