import { type Dispatcher, request } from "undici";
import { expect } from "vitest";

interface Sent {
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** A field of the answer, as far as the host may read it. */
  header(name: string): string | undefined;
}

/** Fields that a page may send, and read, without permission (Fetch standard, CORS-safelisted). */
const simpleTypes = new Set(["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]);
const readable = new Set(["cache-control", "content-language", "content-type", "expires", "last-modified"]);

/** How a host sends requests: as a program, or as a page that is held to CORS. */
export class HostFetch {
  readonly #dispatcher: Dispatcher;
  readonly #origin: string | undefined;

  constructor(dispatcher: Dispatcher, origin: string | undefined) {
    this.#dispatcher = dispatcher;
    this.#origin = origin;
  }

  read(url: string): Promise<Answer> {
    return this.send(url, {
      method: "GET",
      headers: { accept: "application/json", "mcp-protocol-version": "2025-06-18" },
    });
  }

  async send(url: string, { method, headers, body }: Sent): Promise<Answer> {
    if (this.#origin !== undefined) await this.#askBefore(url, method, headers, this.#origin);
    const response = await request(url, {
      method,
      dispatcher: this.#dispatcher,
      headers: { ...headers, ...(this.#origin === undefined ? {} : { origin: this.#origin }) },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.body.text();
    const field = (name: string): string | undefined => {
      const value = response.headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    };
    if (this.#origin === undefined) return { status: response.statusCode, text, header: field };
    expect([this.#origin, "*"], `CORS of ${method} ${url}`).toContain(field("access-control-allow-origin"));
    const exposed = listOf(field("access-control-expose-headers"));
    return {
      status: response.statusCode,
      text,
      header: (name) => {
        const mayRead = readable.has(name) || exposed.includes("*") || exposed.includes(name);
        return mayRead ? field(name) : undefined;
      },
    };
  }

  /** A preflight (Fetch standard, CORS-preflight fetch), where a browser would send one. */
  async #askBefore(url: string, method: string, headers: Sent["headers"], origin: string): Promise<void> {
    const unsafe = Object.entries(headers)
      .filter(([name, value]) => name !== "accept" && !(name === "content-type" && simpleTypes.has(value)))
      .map(([name]) => name)
      .sort();
    if (unsafe.length === 0) return;
    const response = await request(url, {
      method: "OPTIONS",
      dispatcher: this.#dispatcher,
      headers: {
        origin,
        "access-control-request-method": method,
        "access-control-request-headers": unsafe.join(","),
      },
    });
    await response.body.dump();
    const what = `preflight of ${method} ${url}`;
    expect(response.statusCode, what).toBeGreaterThanOrEqual(200);
    expect(response.statusCode, what).toBeLessThan(300);
    const allowed = (name: string): string => String(response.headers[name] ?? "");
    expect([origin, "*"], what).toContain(allowed("access-control-allow-origin"));
    const names = listOf(allowed("access-control-allow-headers"));
    for (const name of unsafe) {
      // The star does not stand for Authorization.
      const isAllowed = names.includes(name) || (names.includes("*") && name !== "authorization");
      expect(isAllowed, `${what}: ${name} among ${names.join(", ")}`).toBe(true);
    }
  }
}

function listOf(value: string | undefined): string[] {
  return (value ?? "").split(",").map((item) => item.trim().toLowerCase());
}
