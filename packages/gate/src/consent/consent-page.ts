import { type Html, html, type Page } from "mcp-tunnel-shared/visitor-page";
import type { Asked } from "./asked.js";

/** The ways to approve that are on. */
export interface Ways {
  /** The host of the OpenID provider. */
  readonly loginHost: string | undefined;
  readonly hasPasscode: boolean;
  readonly hasTerminal: boolean;
}

/** The forms of a page: where they go, and what proves that they come from it. */
export interface Forms {
  readonly path: string;
  readonly token: string;
}

/** What the buttons ask for: values of the field `act`. */
export type Act = "login" | "passcode" | "ask" | "cancel";

/** A host asks for a grant. `problem`: what was wrong with what was sent from this page. */
export function consentPage(asked: Asked, ways: Ways, forms: Forms, problem?: string): Page {
  const question = `Let ${asked.clientName} use ${asked.title}?`;
  return {
    title: problem === undefined ? question : `Not approved: ${problem}`,
    body: html`<h1>Let <bdi>${asked.clientName}</bdi> use <bdi>${asked.title}</bdi>?</h1>
${details(asked)}
${asked.answer.kind === "host" ? reminder : warning(asked)}
<h2>${countOf(ways) > 1 ? "Approve in one of these ways" : "Approve"}</h2>
${ways.loginHost === undefined ? undefined : loginForm(ways.loginHost, forms)}
${ways.hasPasscode ? passcodeForm(asked, forms, problem) : undefined}
${ways.hasTerminal ? askForm(forms) : undefined}
<section>
${buttonForm(forms, "cancel", "Cancel", "plain")}
</section>`,
  };
}

/** The owner is asked in his terminal. The page looks again by itself. */
export function waitingPage(asked: Asked, number: string, forms: Forms): Page {
  const readable = `${number.slice(0, 3)} ${number.slice(3)}`;
  return {
    title: `${readable}: waiting for the owner`,
    refresh: { seconds: refreshSeconds, url: `${forms.path}/waiting` },
    body: html`<h1>Waiting for the owner</h1>
<p class="number">${readable}</p>
<p>To let <bdi>${asked.clientName}</bdi> use <bdi>${asked.title}</bdi>, the owner types this number in
his terminal. This page then goes on by itself.</p>
<p class="hint">If nothing happens, <a href="${forms.path}/waiting">look again</a>, or go
<a href="${forms.path}">back to the other ways to approve</a>.</p>
${buttonForm(forms, "cancel", "Cancel", "plain")}`,
  };
}

/** How often a page that waits for the owner looks again. */
const refreshSeconds = 2;

function countOf({ loginHost, hasPasscode, hasTerminal }: Ways): number {
  return [loginHost !== undefined, hasPasscode, hasTerminal].filter(Boolean).length;
}

function details({ clientName, documentHost, title, places, answer }: Asked): Html {
  return html`<dl>
<dt>Who asks</dt>
<dd><bdi>“${clientName}”</bdi><small>${
    documentHost === undefined
      ? html`It registered itself: nobody has checked this name.`
      : html`Verified: it comes from <strong>${documentHost}</strong>.`
  }</small></dd>
<dt>What for</dt>
<dd><bdi>${title}</bdi>${places.map((place) => html`<small>${place}</small>`)}</dd>
<dt>Where the answer goes</dt>
<dd>${
    answer.kind === "host"
      ? answer.name
      : answer.kind === "loopback"
        ? "A program on this device"
        : html`The program that opens <code>${answer.name}</code> links on this device`
  }</dd>
</dl>`;
}

const reminder = html`<p>Approve only if you have just asked for this connection yourself.</p>`;

/** Any program on a device can listen on a port, or claim a scheme (RFC 8252 section 8.6). */
function warning({ clientName }: Asked): Html {
  return html`<p class="note"><strong>A program on this device gets the access.</strong> Any program can call
itself <bdi>“${clientName}”</bdi>. Approve only if you have started it
yourself, just now and on this device.</p>`;
}

function loginForm(host: string, forms: Forms): Html {
  return html`<section>
${buttonForm(forms, "login", `Sign in with ${host}`)}
</section>`;
}

function passcodeForm({ title }: Asked, forms: Forms, problem: string | undefined): Html {
  const isBad = problem !== undefined;
  return html`<section>
<form method="post" action="${forms.path}" autocomplete="off">
${hidden(forms, "passcode")}
${isBad ? html`<p class="note error" id="problem" role="alert">${problem}</p>` : undefined}
<label for="passcode">Passcode</label>
<p class="hint" id="hint">The owner of <bdi>${title}</bdi> has it.</p>
<input id="passcode" name="passcode" type="text" required autocomplete="off" autocapitalize="none"
autocorrect="off" spellcheck="false" aria-describedby="${isBad ? "problem hint" : "hint"}"${
    isBad ? html` aria-invalid="true" autofocus` : undefined
  }>
<button>Approve</button>
</form>
</section>`;
}

function askForm(forms: Forms): Html {
  return html`<section>
<p class="hint">You get a number, which the owner types in his terminal.</p>
${buttonForm(forms, "ask", "Ask the owner", "plain")}
</section>`;
}

function buttonForm(forms: Forms, act: Act, label: string, kind?: "plain"): Html {
  return html`<form method="post" action="${forms.path}">
${hidden(forms, act)}
<button${kind && html` class="${kind}"`}>${label}</button>
</form>`;
}

function hidden({ token }: Forms, act: Act): Html {
  return html`<input type="hidden" name="token" value="${token}">
<input type="hidden" name="act" value="${act}">`;
}
