import type { Command } from "commander";
import { moveMistakes } from "../options/kept-mistakes.js";
import { addRelayOptions } from "../options/options.js";

/** `mcp-tunnel doctor`: looks at a relay as its options describe it, before or while it runs. */
export function addDoctorCommand(program: Command): void {
  const doctor = program.command("doctor");
  doctor
    .description(
      "look for what is wrong with a relay, step by step: its files, DNS, certificate, ports, and the proxy in " +
        "front; takes the options of the relay, from its --config file best; exit status 1 if a step failed",
    )
    .option("--json", "print JSON");
  addRelayOptions(doctor).action(async (options: { json?: boolean }) => {
    takeFrom(program, doctor);
    await (await import("./doctor-actions.js")).examine(doctor, options.json === true);
  });
}

/** The options may also stand where they stand for the relay: before the word `doctor`. */
function takeFrom(program: Command, doctor: Command): void {
  moveMistakes(program, doctor);
  for (const option of program.options) {
    const key = option.attributeName();
    if (program.getOptionValueSource(key) !== "cli" || doctor.getOptionValueSource(key) === "cli") continue;
    doctor.setOptionValueWithSource(key, program.getOptionValue(key), "cli");
  }
}
