import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { messagesOf } from "../src/child/messages.js";

describe("the messages of a line", () => {
  it("are one, with its own text", () => {
    const text = '{"jsonrpc":"2.0", "id":9007199254740993,"result":{"x":1e400}}';
    expect(messagesOf(text)?.map((message) => message.text)).toEqual([text]);
  });

  it("are those of a batch, each with its own text", () => {
    const first = '{"jsonrpc":"2.0", "method":"a","params":{"t":"]},{[\\\\\\"","n":1.0}}';
    const second = '{"jsonrpc":"2.0","id":1,"result":[[],{}]}';
    expect(messagesOf(`[ ${first} ,${second}]`)?.map((message) => message.text)).toEqual([first, second]);
  });

  it("are those of a batch, whatever is in them", () => {
    fc.assert(
      fc.property(fc.array(fc.json(), { minLength: 1 }), (params) => {
        const texts = params.map((json) => `{"jsonrpc":"2.0","method":"m","params":${json}}`);
        expect(messagesOf(`[${texts.join(",")}]`)?.map((message) => message.text)).toEqual(texts);
      }),
    );
  });

  it.each([
    "",
    "hello",
    "[]",
    "[1]",
    "{}",
    '[{"jsonrpc":"2.0","method":"a"},{}]',
    '[{"jsonrpc":"2.0","method":"a"}',
    "[[",
    '["',
  ])("are none: %s", (line) => {
    expect(messagesOf(line)).toBeUndefined();
  });
});
