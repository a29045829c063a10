/**
 * The operator's page, as files to serve. They are texts in a module, so whoever serves them needs no file of
 * this package at run time. `page/` has their sources, and `model.ts` what the page asks its server for.
 */
export { files, type PageFile } from "#page";
