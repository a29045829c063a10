import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textsOfObjects } from "../../src/batch.js";
import { Endpoint } from "../../src/http/endpoint.js";
import { onOneLine, type Message } from "../../src/message.js";

interface Posted {
  readonly messages: readonly Message[];
  readonly isBatch: boolean;
}

function endpoint(
  options: { maxMessageBytes?: number; maxReceivingBytes?: number } = {},
  answer: () => Promise<Response> = () => Promise.resolve(new Response(null, { status: 202 })),
): { readonly posted: Posted[]; fetch(method: string, body?: BodyInit, type?: string): Promise<Response> } {
  const posted: Posted[] = [];
  const handler = new Endpoint(
    { maxMessageBytes: 1_000, maxReceivingBytes: 10_000, ...options },
    {
      post(_request, messages, isBatch) {
        posted.push({ messages, isBatch });
        return answer();
      },
      get: async () => new Response("got"),
      delete: async () => new Response("deleted"),
    },
  );
  return {
    posted,
    fetch: (method, body, type = "application/json") => {
      const headers: Record<string, string> = type === "" ? {} : { "Content-Type": type };
      const init = { method, headers, body: body ?? null, duplex: "half" };
      return handler.fetch(new Request("http://bridge.test/mcp", init));
    },
  };
}

async function errorOf(response: Response): Promise<{ status: number; id: unknown; code: number }> {
  const { jsonrpc, id, error } = (await response.json()) as {
    jsonrpc: string;
    id: unknown;
    error: { code: number; message: string };
  };
  expect(jsonrpc).toBe("2.0");
  expect(error.message).not.toBe("");
  return { status: response.status, id, code: error.code };
}

const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';

describe("the endpoint", () => {
  it("takes GET, POST and DELETE", async () => {
    const { fetch, posted } = endpoint();
    expect(await (await fetch("GET")).text()).toBe("got");
    expect(await (await fetch("DELETE")).text()).toBe("deleted");
    expect((await fetch("POST", ping)).status).toBe(202);
    expect(posted).toEqual([{ messages: [{ text: ping, value: JSON.parse(ping) }], isBatch: false }]);
  });

  it.each(["HEAD", "OPTIONS", "PUT", "PATCH"])(
    "answers 405 to %s, and names what it takes",
    async (method) => {
      const response = await endpoint().fetch(method);
      expect(response.status).toBe(405);
      expect(response.headers.get("Allow")).toBe("GET, POST, DELETE");
    },
  );

  it.each([
    ["application/json", 202],
    ["Application/JSON; charset=utf-8", 202],
    ["application/json;", 202],
    ["text/plain; a=application/json", 415],
    ["application/json-rpc", 415],
    ["application/json, application/json", 415],
  ])("answers a Content-Type of %s with %d", async (type, status) => {
    expect((await endpoint().fetch("POST", ping, type)).status).toBe(status);
  });

  it("answers 415 without a Content-Type, and leaves the body", async () => {
    let isLeft = false;
    const body = new ReadableStream({
      cancel() {
        isLeft = true;
      },
    });
    expect(await errorOf(await endpoint().fetch("POST", body, ""))).toMatchObject({ status: 415 });
    expect(isLeft).toBe(true);
  });

  it.each<[string, string, number, unknown]>([
    ["no JSON", "{", -32_700, null],
    ["nothing", "", -32_700, null],
    ["no object", "1", -32_600, null],
    ["no message", '{"id":7}', -32_600, 7],
    ["another JSON-RPC", '{"jsonrpc":"1.0","id":"a","method":"ping"}', -32_600, "a"],
    ["an id of null", '{"jsonrpc":"2.0","id":null,"method":"ping"}', -32_600, null],
    ["an empty batch", "[]", -32_600, null],
    ["a batch with something else", `[${ping}, 1]`, -32_600, null],
    ["a batch within a batch", `[[${ping}]]`, -32_600, null],
    ["too long a batch", `[${Array(101).fill("{}").join(",")}]`, -32_600, null],
  ])("answers 400 to %s, with the id if there is one", async (_, body, code, id) => {
    const { fetch, posted } = endpoint();
    expect(await errorOf(await fetch("POST", body))).toEqual({ status: 400, id, code });
    expect(posted).toEqual([]);
  });

  it("answers 400 to bytes that are no UTF-8", async () => {
    const bytes = Buffer.from(ping.replace("ping", "p\u00ffng"), "latin1");
    expect(await errorOf(await endpoint().fetch("POST", bytes))).toMatchObject({
      status: 400,
      code: -32_700,
    });
  });

  it("takes 100 messages in a batch, and a batch of one", async () => {
    const { fetch, posted } = endpoint({ maxMessageBytes: 10_000 });
    await fetch("POST", `[${Array(100).fill(ping).join(", ")}]`);
    await fetch("POST", `[ ${ping} ]`);
    expect(posted.map(({ messages, isBatch }) => [messages.length, isBatch])).toEqual([
      [100, true],
      [1, true],
    ]);
    expect(posted.at(1)!.messages.at(0)!.text).toBe(ping);
  });

  it("reads messages in pieces that cut characters", async () => {
    const { fetch, posted } = endpoint();
    const text = '{"jsonrpc":"2.0","method":"x","params":{"a":"\u{1f600}ä"}}';
    const body = new ReadableStream({
      start(controller) {
        for (const byte of Buffer.from(text)) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    await fetch("POST", body);
    expect(posted.at(0)!.messages.at(0)!.text).toBe(text);
  });

  it("keeps numbers beyond doubles, unknown members and the order of members", async () => {
    const { fetch, posted } = endpoint();
    const text =
      '{"z":1e999,"method":"x","jsonrpc":"2.0","id":12345678901234567890,"params":{"1":0.10,"0":-0}}';
    await fetch("POST", text);
    await fetch("POST", `[${text},${text}]`);
    expect(posted.flatMap(({ messages }) => messages.map((message) => message.text))).toEqual(
      Array(3).fill(text),
    );
  });

  it("puts a message on one line", async () => {
    const { fetch, posted } = endpoint();
    await fetch("POST", JSON.stringify(JSON.parse(ping), null, "\t").replaceAll("\n", "\r\n"));
    const message = posted.at(0)!.messages.at(0)!;
    expect(message.text).not.toMatch(/[\r\n]/);
    expect(JSON.parse(message.text)).toEqual(JSON.parse(ping));
  });

  it("keeps the characters of a message that it puts on one line", () => {
    expect(onOneLine('{"a":"é😀"\r\n,\n"b": 1\r}')).toBe('{"a":"é😀"  , "b": 1 }');
  });
});

describe("the length of messages", () => {
  it("is held by Content-Length and without it", async () => {
    const long = JSON.stringify({ jsonrpc: "2.0", method: "x".repeat(1_000) });
    expect((await endpoint().fetch("POST", long)).status).toBe(413);
    const pieces = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(100).fill(32)),
    });
    expect((await endpoint().fetch("POST", pieces)).status).toBe(413);
    expect((await endpoint({ maxMessageBytes: ping.length }).fetch("POST", ping)).status).toBe(202);
  });

  it("is held over all requests, until they are answered", async () => {
    let answer: (response: Response) => void = () => {};
    const { fetch, posted } = endpoint(
      { maxReceivingBytes: ping.length },
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    const first = fetch("POST", ping);
    await expect.poll(() => posted.length).toBe(1);
    const second = await fetch("POST", ping);
    expect(second.status).toBe(503);
    expect(second.headers.get("Retry-After")).toBe("1");
    answer(new Response("done"));
    await first;
    const third = fetch("POST", ping);
    await expect.poll(() => posted.length).toBe(2);
    answer(new Response("done"));
    expect((await third).status).toBe(200);
  });

  it("is not used up for short messages by long ones", async () => {
    const { fetch } = endpoint({ maxMessageBytes: 400_000, maxReceivingBytes: 400_000 });
    const uploads: ReadableStreamDefaultController<Uint8Array>[] = [];
    const unfinished = (bytes: number) =>
      new ReadableStream<Uint8Array>({
        start(controller) {
          uploads.push(controller);
          controller.enqueue(new Uint8Array(bytes).fill(32));
        },
      });
    const long = [unfinished(200_000), unfinished(200_000)].map((body) => fetch("POST", body));
    expect((await fetch("POST", unfinished(70_000))).status).toBe(503);
    expect((await fetch("POST", ping)).status).toBe(202);
    const short = fetch("POST", unfinished(49_990));
    expect((await fetch("POST", ping)).status).toBe(503);
    uploads.at(0)!.close();
    uploads.at(1)!.close();
    uploads.at(3)!.close();
    await Promise.all([...long, short]);
    expect((await fetch("POST", ping)).status).toBe(202);
  });

  it("is given back by a visitor who leaves in the middle", async () => {
    const { fetch } = endpoint({ maxReceivingBytes: ping.length });
    const broken = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from("{")),
      pull: (controller) => controller.error(new Error("left")),
    });
    await expect(fetch("POST", broken)).rejects.toThrow();
    expect((await fetch("POST", ping)).status).toBe(202);
  });
});

describe("the texts of a batch", () => {
  it("are those that were sent", () => {
    const spaced = fc.constantFrom("", " ", "\n\t");
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 2))),
        spaced,
        (objects, space) => {
          const texts = objects.map(([object, indent]) => JSON.stringify(object, null, indent));
          const batch = `${space}[${space}${texts.join(`${space},${space}`)}${space}]${space}`;
          expect(textsOfObjects(batch)).toEqual(texts);
        },
      ),
    );
  });

  it("are found at any depth", () => {
    const deep = `{"a":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
    expect(textsOfObjects(`[${deep},{}]`)).toEqual([deep, "{}"]);
  });
});
