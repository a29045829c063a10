import { CookieJar } from "tough-cookie";
import type { Dispatcher } from "undici";
import { request } from "undici";
import { decoded, type Form, formsOf } from "./forms.js";

/** Who visits the gate's pages with a browser, which keeps cookies and is as strict as Chromium. */
export class Person {
  readonly #jar = new CookieJar();
  readonly #dispatcher: Dispatcher;

  constructor(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher;
  }

  /**
   * Opens the authorization URL, consents with the passcode, and returns the URL to which the browser is sent
   * with the answer. That URL is not visited.
   * @throws Error with the page, if it has no form to fill in, or if nobody is asked.
   */
  async consent(authorizationUrl: string | URL, passcode: string): Promise<URL> {
    const page = await this.#visit(new URL(authorizationUrl), { method: "GET" });
    if (page instanceof URL) throw new Error(`nobody was asked: the browser was sent to ${page.href}`);
    const form = formsOf(page.html).find(({ fields }) => fields.some(isPasscode));
    if (form === undefined) throw new Error(`no form for a passcode at ${page.url.href}:\n${page.html}`);
    const answer = await this.#visit(new URL(form.action, page.url), {
      method: form.method,
      body: fill(form, passcode),
      from: page,
    });
    if (answer instanceof URL) return answer;
    throw new Error(`the passcode led to ${answer.url.href}:\n${answer.html}`);
  }

  /** Follows redirects as long as they stay on the origin. */
  async #visit(url: URL, { method, body, from }: Visit): Promise<Page | URL> {
    const cookie = await this.#jar.getCookieString(url.href);
    const response = await request(url, {
      method,
      dispatcher: this.#dispatcher,
      headers: {
        accept: "text/html",
        "sec-fetch-dest": "document",
        "sec-fetch-mode": "navigate",
        "sec-fetch-site": from === undefined ? "cross-site" : "same-origin",
        ...(cookie === "" ? {} : { cookie }),
        ...(body === undefined
          ? {}
          : { origin: url.origin, "content-type": "application/x-www-form-urlencoded" }),
      },
      ...(body === undefined ? {} : { body: body.toString() }),
    });
    for (const line of [response.headers["set-cookie"] ?? []].flat())
      await this.#jar.setCookie(line, url.href);
    const html = await response.body.text();
    const { location } = response.headers;
    if (response.statusCode >= 300 && response.statusCode < 400 && typeof location === "string") {
      const next = new URL(location, url);
      if (from !== undefined) expectFormMayLeadTo(next, from);
      if (next.origin !== url.origin) return next;
      return this.#visit(next, {
        method: response.statusCode === 307 || response.statusCode === 308 ? method : "GET",
        ...(from === undefined ? {} : { from }),
      });
    }
    const page = { url, html, policy: String(response.headers["content-security-policy"] ?? "") };
    const next = refreshOf(html);
    if (next === undefined) return page;
    // The browser goes on by itself, and what began with a form is over.
    const target = new URL(next, url);
    return target.origin === url.origin ? this.#visit(target, { method: "GET" }) : target;
  }
}

interface Visit {
  readonly method: "GET" | "POST";
  readonly body?: URLSearchParams;
  /** The page whose form is sent. */
  readonly from?: Page;
}

interface Page {
  readonly url: URL;
  readonly html: string;
  readonly policy: string;
}

function isPasscode({ name }: { name: string }): boolean {
  return /pass/i.test(name);
}

function fill(form: Form, passcode: string): URLSearchParams {
  const body = new URLSearchParams();
  for (const field of form.fields) body.append(field.name, isPasscode(field) ? passcode : field.value);
  // Browsers send the button that was pressed, and Enter presses the first one.
  const [button] = form.buttons;
  if (button !== undefined) body.append(button.name, button.value);
  return body;
}

/** Where a page sends the browser at once. */
function refreshOf(html: string): string | undefined {
  const content = /<meta http-equiv="refresh" content="0;\s*url=([^"]*)"/i.exec(html)?.[1];
  return content === undefined ? undefined : decoded(content);
}

/**
 * Chromium holds `form-action` against every redirect that follows a form (CSP Level 3 section 6.4.1), so a
 * page with `form-action 'self'` never leads back to a host.
 */
function expectFormMayLeadTo(next: URL, from: Page): void {
  const directive = /(?:^|;)\s*form-action\s+([^;]*)/i.exec(from.policy)?.[1];
  if (directive === undefined) return;
  const allowed = directive.trim().split(/\s+/);
  const isAllowed = allowed.some(
    (source) =>
      source === "*" ||
      (source === "'self'" && next.origin === from.url.origin) ||
      source.toLowerCase() === next.protocol ||
      (URL.canParse(source) &&
        new URL(source).host === next.host &&
        new URL(source).protocol === next.protocol),
  );
  if (!isAllowed) throw new Error(`form-action ${directive} does not let a browser go on to ${next.href}`);
}
