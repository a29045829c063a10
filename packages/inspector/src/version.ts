/** This package's version. scripts/versions.mjs writes it, because a bundle has no package.json beside it. */
export const version = "0.1.0";
