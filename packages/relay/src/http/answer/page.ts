import { headerValue, type RawHeaders } from "mcp-tunnel-protocol";
import {
  documentOf,
  type Html,
  html,
  type Page,
  pageFields,
  wantsHtml as acceptsHtml,
} from "mcp-tunnel-shared/visitor-page";
import { type Operator, signature } from "./operator.js";
import type { VisitorRequest } from "../message.js";

/** An answer's media type, if it has a body, and its body. */
export interface Content {
  readonly type: string | undefined;
  readonly text: string;
  /** Header fields besides the type: those that only a page has. */
  readonly fields: RawHeaders;
}

const { "Content-Type": pageType, ...otherFields } = pageFields;

/** A page of the relay's own. `lines`: its small print. The operator's signature follows them. */
export function pageContent(page: Page, operator: Operator, lines: readonly string[] = []): Content {
  const signed = signature(operator);
  const foot = [...lines.map((line) => html`${line}`), ...(signed === undefined ? [] : [signed])];
  const broken = foot.map((line, at) => (at === 0 ? line : html`<br>${line}`));
  const body = foot.length === 0 ? page.body : html`${page.body}\n<p class="foot">${broken}</p>`;
  return {
    type: pageType,
    text: documentOf({ ...page, body }),
    fields: Object.entries(otherFields).flat(),
  };
}

export function plainContent(text: string): Content {
  return { type: "text/plain; charset=utf-8", text, fields: [] };
}

/** A page that is a heading, a sentence and what leads on from there. */
export function simplePage(title: string, heading: string, text: string, more?: Html): Page {
  return { title, body: html`<h1>${heading}</h1>\n<p>${text}${more}</p>` };
}

/** The visitor is a browser that shows a page, or says so. */
export function wantsHtml({ rawHeaders }: Pick<VisitorRequest, "rawHeaders">): boolean {
  return acceptsHtml(headerValue(rawHeaders, "accept"));
}
