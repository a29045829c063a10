/** The version of the client's command. */
export declare const version: string;

/** Its package for npm: a gzipped tar archive, in base64. */
export declare const base64: string;
