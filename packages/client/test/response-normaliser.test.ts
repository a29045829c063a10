import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { answerFile, bytesOf } from "../../../test/proxy/answers.js";
import { ResponseNormaliser } from "../src/service/http/response-normaliser.js";
import type { NormaliserOptions } from "../src/service/http/response-normaliser.js";

const undici = { upgrade: false, expectsContinue: false, withholdsLength: true, maxHeadBytes: 65_536 };

/** A connection that records the bytes that the parser gets. */
function connection(options: Partial<NormaliserOptions> = {}, isAsked = true) {
  const socket = new Socket();
  const passed: (Buffer | null)[] = [];
  let error: string | undefined;
  socket.push = (chunk: Buffer | null) => passed.push(chunk) > 0;
  socket.destroy = (reason?: Error) => {
    error ??= reason?.message ?? "";
    return socket;
  };
  const normaliser = new ResponseNormaliser(socket, { ...undici, ...options }, isAsked);
  return {
    normaliser,
    passed,
    /** Reads until the parser refuses something, as Node does. */
    read(...pieces: (Buffer | null)[]): void {
      for (const piece of pieces) if (error === undefined) socket.push(piece);
    },
    get outcome() {
      const text = passed.map((chunk) => chunk?.toString("latin1") ?? "{end}").join("");
      return { text: error === undefined ? text : undefined, error, withheld: normaliser.withheldLength };
    },
  };
}

function outcomeOf(pieces: Buffer[]) {
  const reading = connection();
  reading.read(...pieces, null);
  return reading.outcome;
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

describe("an answer in pieces", () => {
  const short = answerFile.answers.map(bytesOf).filter((bytes) => bytes.length < 1_000);

  it("comes to the same wherever it is cut", () => {
    for (const bytes of short) {
      const whole = outcomeOf([bytes]);
      for (let at = 1; at < bytes.length; at++) {
        const cut = outcomeOf([bytes.subarray(0, at), bytes.subarray(at)]);
        expect(cut, `${JSON.stringify(bytes.toString("latin1"))} at ${at}`).toEqual(whole);
      }
    }
  });

  it("comes to the same byte by byte", () => {
    for (const bytes of short) {
      expect(outcomeOf([...bytes].map((byte) => Buffer.of(byte)))).toEqual(outcomeOf([bytes]));
    }
  });

  it("takes a time that grows with its length and no faster", () => {
    const time = (length: number): number => {
      const bytes = Buffer.from(`HTTP/1.1 200 OK\nX: ${"a".repeat(length)}\n\n`);
      const pieces = Array.from({ length: bytes.length }, (_, i) => bytes.subarray(i, i + 1));
      const reading = connection({ maxHeadBytes: 262_144 });
      const startedAt = performance.now();
      for (const piece of pieces) reading.read(piece);
      expect(reading.outcome.text?.length).toBeGreaterThan(length);
      return performance.now() - startedAt;
    };
    time(10_000);
    // A quadratic search would take 400 times as long.
    expect(time(200_000)).toBeLessThan(100 * Math.max(1, time(10_000)));
  });
});

describe("what a pattern would try again and again", () => {
  it.each([
    ["blanks before a colon", `HTTP/1.1 200 OK\nX${" ".repeat(200_000)}: 1\n\n`],
    ["blanks and no colon", `HTTP/1.1 200 OK\nX${" ".repeat(200_000)}y\n\n`],
    ["blanks within a value", `HTTP/1.1 200 OK\nX: a${" ".repeat(200_000)}b\n\n`],
    ["blanks before the status", `HTTP/1.1${" ".repeat(200_000)}OK\n\n`],
    ["a list of nothing", `HTTP/1.1 200 OK\nTransfer-Encoding: ${", ".repeat(100_000)}\n\n`],
    ["empty lines", "\n".repeat(200_000)],
  ])("%s: takes milliseconds", (_, text) => {
    const reading = connection({ maxHeadBytes: 262_144 });
    const startedAt = performance.now();
    reading.read(Buffer.from(text));
    // A quadratic search would take half a minute.
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});

describe("a clean answer", () => {
  it.each([
    ["with a length", ok],
    ["in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
    ["until the end", "HTTP/1.0 404 Not Found\r\nX-A: \xe4 \r\n\r\nok"],
  ])("passes as it is, %s", (_, text) => {
    const reading = connection();
    const [first, second] = [Buffer.from(text, "latin1"), Buffer.from("\n\r\0 anything")];
    reading.read(first, second);
    expect(reading.passed[0]).toBe(first);
    expect(reading.passed[1]).toBe(second);
  });
});

describe("an odd answer", () => {
  const oddHead = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok";
  const rewritten = ok.replace("Content-Length: 2\r\n", "Content-Length: 2\r\nConnection: close\r\n");

  it("closes its connection", () => {
    expect(outcomeOf([Buffer.from(oddHead)]).text).toBe(`${rewritten}{end}`);
    // llhttp believes a keep-alive of HTTP/1.0 before it believes a close.
    const kept = `HTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: 2\n\nok`;
    expect(outcomeOf([Buffer.from(kept)]).text).toMatch(/^HTTP\/1\.1 200 .*Connection: close\r\n\r\nok/s);
  });

  it("closes it also if only the interim head was odd", () => {
    expect(outcomeOf([Buffer.from(`HTTP/1.1 100 Continue\r\n\r\n${ok}`)]).text).toBe(`${rewritten}{end}`);
    const hinted = outcomeOf([Buffer.from(`HTTP/1.1 103 Hints\nX-A: 1\n\n${ok}`)]);
    expect(hinted.text).toBe(`HTTP/1.1 103 Hints\r\nX-A: 1\r\n\r\n${rewritten}{end}`);
  });

  it("is none for an interim head in order", () => {
    const hinted = `HTTP/1.1 103 Hints\r\nX-A: 1\r\n\r\n${ok}`;
    expect(outcomeOf([Buffer.from(hinted)]).text).toBe(`${hinted}{end}`);
  });

  it("keeps its body byte for byte", () => {
    const body = "\n\r\n\0\xff\r\r HTTP/1.1 100 Continue\n\n";
    const text = outcomeOf([Buffer.from(`HTTP/1.0 200 OK\n\n${body}`, "latin1")]).text;
    expect(text?.slice(text.indexOf("\r\n\r\n") + 4)).toBe(`${body}{end}`);
  });
});

describe("a 100", () => {
  const asked = Buffer.from(`HTTP/1.1 100 Continue\r\n\r\n${ok}`);
  it("passes if it was asked for, and is not odd", () => {
    const reading = connection({ expectsContinue: true });
    reading.read(asked);
    expect(reading.outcome.text).toBe(asked.toString());
  });
});

describe("the length of a 304", () => {
  it("is withheld from a parser that would wait for a body, and the connection stays", () => {
    const head = 'HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: "x"\r\n\r\n';
    const reading = connection();
    reading.read(Buffer.from(head));
    const text = head.replace("Content-Length: 1234\r\n", "");
    expect(reading.outcome).toEqual({ text, error: undefined, withheld: "1234" });
    reading.normaliser.answered();
    reading.normaliser.requested();
    reading.read(Buffer.from(ok));
    expect(reading.outcome.withheld).toBeUndefined();
    const other = connection({ withholdsLength: false });
    other.read(Buffer.from(head));
    expect(other.outcome.text).toContain("Content-Length: 1234\r\n");
  });
});

describe("what comes unasked", () => {
  it("goes to the parser at once, in pieces too: it is not kept for the next request", () => {
    const reading = connection({}, false);
    reading.read(Buffer.from("HTTP/1.1 200 O"));
    expect(reading.outcome.text).toBe("HTTP/1.1 200 O");
  });

  it("is not taken for a head while a response is going on, nor after it", () => {
    const reading = connection();
    reading.read(Buffer.from(ok), Buffer.from("HTTP/1.1 200 OK\n\npoisoned"));
    expect(reading.outcome.text).toBe(`${ok}HTTP/1.1 200 OK\n\npoisoned`);
    reading.normaliser.answered();
    reading.read(Buffer.from("HTTP/1.1 200 OK\n\npoisoned"));
    expect(reading.outcome.text).toMatch(/poisonedHTTP\/1\.1 200 OK\n\npoisoned$/);
  });

  it("has no part in the answer to the next request", () => {
    const reading = connection();
    reading.read(Buffer.from(ok));
    reading.normaliser.answered();
    reading.normaliser.requested();
    reading.read(Buffer.from(ok.replaceAll("\r\n", "\n")));
    expect(reading.outcome.text).toMatch(/^.*okHTTP\/1\.1 200 OK\r\n.*Connection: close\r\n\r\nok$/s);
  });
});

describe("a head that is too long", () => {
  it.each(["HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\nX: ", "HTTP/1.1 103 Hints\r\nX: "])(
    "%j: is refused",
    (start) => {
      for (const end of ["", "\r\n\r\n"]) {
        const reading = connection();
        reading.read(Buffer.from(`${start}${"a".repeat(65_536)}${end}`));
        expect(reading.outcome.error).toBe(
          "answered, but the head of its answer is longer than 65536 bytes; --max-response-head takes up to 262144",
        );
      }
    },
  );

  it("is measured without its body", () => {
    const reading = connection();
    const text = `HTTP/1.1 200 OK\r\n\r\n${"a".repeat(70_000)}`;
    reading.read(Buffer.from(text));
    expect(reading.outcome.text).toBe(text);
  });
});

it("refuses at once what will never be a head", () => {
  for (const text of ["SSH-2.0-x\r\n", "H2", "\x15\x03\x01", "<"]) {
    const reading = connection();
    reading.read(Buffer.from(text, "latin1"));
    expect(reading.outcome.error).toBe(
      "answered, but its answer is not valid HTTP: it does not begin with HTTP/",
    );
  }
});
