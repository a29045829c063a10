// `npm start`. One process from the shell's point of view, so that a signal to npm reaches the demo and not a shell.
import "./setup.mjs";

await import("../examples/basic/demo.mjs");
