export interface FileOption {
  tokenFile: string;
}

export interface CreateOptions extends FileOption {
  subdomain: string[];
  note?: string;
  expires?: string;
  maxTunnels?: number;
  maxRequestsPerSecond?: number;
  maxBytesPerSecond?: number;
}

/** `never` and `none` take a field away. commander makes an empty text of null. */
export interface EditOptions extends FileOption {
  subdomain?: string[];
  addSubdomain?: string[];
  removeSubdomain?: string[];
  note?: string;
  expires?: string;
  maxTunnels?: number | "none";
  maxRequestsPerSecond?: number | "none";
  maxBytesPerSecond?: number | "none";
}

export interface RotateOptions extends FileOption {
  /** In milliseconds. */
  keepOld?: number;
}

export interface ListOptions extends FileOption {
  wide?: boolean;
  json?: boolean;
}
