import assert from "node:assert/strict";
import type { Software } from "../matrix.js";
import { Refused } from "../user-agent.js";
import { missingPython, startPython } from "./python.js";

const stream = "/_stcore/stream";

export const streamlit: Software = {
  name: "Streamlit",
  missing: missingPython,
  start: () =>
    startPython("streamlit", (port) => [
      ...["run", "streamlit_app.py", "--server.port", String(port), "--server.headless", "true"],
      ...["--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"],
    ]),
  scenarios: {
    async "serves its page and says that it is well"(visitor) {
      assert.match((await visitor.open("/")).text, /<title>Streamlit<\/title>/);
      assert.equal((await visitor.open("/_stcore/health")).text, "ok");
    },
    async "runs the app over a WebSocket"(visitor) {
      await visitor.open("/_stcore/health");
      const { socket, messages } = await visitor.webSocket(stream, { protocols: ["streamlit"] });
      // A BackMsg of Streamlit's protocol buffers: run the script (field 11), with an empty state.
      socket.send(Buffer.from([0x5a, 0x00]));
      for await (const message of messages()) {
        if (message.includes("hello from Streamlit")) return;
      }
      assert.fail("the app said nothing");
    },
    async "refuses the WebSocket of another site"(visitor) {
      await assert.rejects(
        visitor.webSocket(stream, { protocols: ["streamlit"], foreign: "https://attacker.example" }),
        Refused,
      );
    },
  },
  expected: {
    "serves its page and says that it is well": "works",
    "runs the app over a WebSocket": "works",
    "refuses the WebSocket of another site": "works",
  },
};
