/** A file of the page, as the build has made it. */
export interface PageFile {
  /** Its media type, with its charset. */
  readonly type: string;
  /** Its content, gzipped, in base64. */
  readonly gzipped: string;
}

/** The files of the page by their paths: `/` is the document, the others are named in it. */
export declare const files: Readonly<Record<string, PageFile>>;
