import { createProgram, failureOf } from "./program.js";

// Set and empty is how a compose file leaves an option out.
for (const [name, value] of Object.entries(process.env)) {
  if (name.startsWith("MCP_TUNNEL_") && value === "") delete process.env[name];
}

try {
  await createProgram().parseAsync();
} catch (error) {
  const failure = failureOf(error);
  if (failure !== undefined) {
    if (failure.message !== undefined) process.stderr.write(`error: ${failure.message}\n`);
    // What was already started, a listener say, would keep the process.
    process.exit(failure.status);
  }
}
