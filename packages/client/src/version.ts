/** This package's version, for the relay's log. Written by scripts/versions.mjs: in a bundle there is no package.json beside this. */
export const version = "0.1.0";
