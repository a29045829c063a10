// `npm start`.
import "./setup.mjs";

// npm starts a shell, and SIGTERM to npm ends that shell alone. So this process ends when its parent has.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, "SIGTERM");
}, 500).unref();

await import("../examples/basic/demo.mjs");
