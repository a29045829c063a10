// `npm start`: the setup, and then the demo. Whoever ends it ends all that it has started.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

// npm starts a shell, and SIGTERM to npm ends that shell alone. So this process ends when its parent has. It
// looks from the beginning on: the setup of a fresh clone takes a minute, and npm may be gone by its end.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, "SIGTERM");
}, 500).unref();

// In a group of its own, so that one signal reaches what it has started: npm and the compiler. Windows has
// no groups, and no signals.
const setup = spawn(process.execPath, [fileURLToPath(new URL("setup.mjs", import.meta.url))], {
  stdio: ["ignore", "inherit", "inherit"],
  detached: process.platform !== "win32",
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    // The demo, which listens before it starts anything, ends its parts itself.
    if (process.listenerCount(signal) > 1) return;
    if (setup.exitCode === null && setup.signalCode === null) endSetup();
    process.exit(128 + constants.signals[signal]);
  });
}

function endSetup() {
  if (setup.pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? setup.pid : -setup.pid, "SIGTERM");
  } catch {
    // It has just ended by itself.
  }
}

const status = await new Promise((resolve) => setup.once("exit", (code) => resolve(code ?? 1)));
if (status !== 0) process.exit(status);
await import("../examples/basic/demo.mjs");
