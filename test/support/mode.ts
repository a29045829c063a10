/** Whether tests that take many minutes run at full length: `npm run test:long`. */
export const isLong = process.env["MODE"] === "long";
