/**
 * Pages that visitors see in the place of a service: the relay's, a gate's and the bridge's. They have one
 * look, dark and light, and no script.
 *
 * - `html.ts`: HTML in which strangers' texts are escaped
 * - `layout.ts`: what all pages have, and their header fields
 * - `wants-html.ts`: who gets a page
 */
export { Html, html } from "./html.js";
export { documentOf, pageFields } from "./layout.js";
export type { Page } from "./layout.js";
export { wantsHtml } from "./wants-html.js";
