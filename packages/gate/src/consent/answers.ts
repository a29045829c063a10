import type { ServerResponse } from "node:http";
import { type Html, html, type Page } from "mcp-tunnel-shared/visitor-page";
import type { Problem } from "../oauth/consents.js";
import { type Asked, maxHost, shown } from "./asked.js";
import { goOnPage, sendPage } from "./layout.js";
import { pathOf } from "./targets.js";

export const startAgain = "Go back to the program that wants to connect, and connect again.";
export const notOnList =
  "Your account is not on the owner’s list, or its e-mail address is not verified where you have signed in.";
export const notSignedIn = (host: string): string => `${host} did not say who you are. You can try again.`;

export function sendError(
  res: ServerResponse,
  status: number,
  title: string,
  text: string,
  fields?: Readonly<Record<string, string>>,
): void {
  sendPage(res, status, { title, body: html`<h1>${title}</h1>\n<p>${text}</p>` }, fields);
}

/** An error of the authorization endpoint. Every text of it may be a stranger's. */
export function sendProblem(res: ServerResponse, status: number, { title, text, back }: Problem): void {
  const link = back === undefined ? undefined : linkBack(new URL(back));
  sendPage(res, status, {
    title: shown(title),
    body: html`<h1>${shown(title)}</h1>\n<p>${shown(text, 500)}</p>${link}`,
  });
}

function linkBack({ href, host, protocol }: URL): Html {
  const place = /^https?:$/.test(protocol) ? host : protocol;
  return html`\n<p><a href="${href}" rel="noreferrer">Go back to ${shown(place, maxHost)}</a></p>`;
}

/** The same for all requests that cannot be found, so that it tells nothing about them. */
export function sendOver(res: ServerResponse): void {
  const why = "It has been answered, it has waited for too long, or another browser has made it.";
  sendError(res, 404, "This request is over", `${why} ${startAgain}`);
}

export function backPage(title: string, text: string, id: string): Page {
  return {
    title,
    body: html`<h1>${title}</h1>
<p>${text}</p>
<p><a href="${pathOf(id)}">Back to the ways to approve</a></p>`,
  };
}

export function approvedPage({ answer, clientName }: Asked, id: string): Page {
  const next =
    answer.kind === "host"
      ? `You are on the way back to ${answer.name}.`
      : "If your browser asks whether it may open the program, let it. You can close this window then.";
  return goOnPage("Approved", `“${clientName}” gets access. ${next}`, "Go on", pathOf(id));
}

export function cancelledPage({ clientName }: Asked, id: string, token: string): Page {
  const text = `“${clientName}” gets no access. You are on the way back to it.`;
  return goOnPage("Cancelled", text, "Go on", `${pathOf(id)}/cancel?token=${token}`);
}
