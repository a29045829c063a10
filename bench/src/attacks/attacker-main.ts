// An attacker in a process of its own: `attacker-main.js NAME PORT SECONDS`. At the end it tells how often it
// tried, and which things went wrong that should not.
import { attacks } from "./attacks.js";
import { Field } from "./field.js";

const [name, port, seconds] = process.argv.slice(2);
const attack = attacks.find((candidate) => candidate.name === name);
if (attack === undefined) throw new Error(`there is no attack '${name}'`);
const field = new Field(Number(port), performance.now() + Number(seconds) * 1_000, attack.tls === true);
await attack.run(field);
process.send?.({ attempts: field.attempts, failures: field.failures });
process.disconnect();
