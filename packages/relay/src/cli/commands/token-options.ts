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

/** `null` takes a field away. */
export interface EditOptions extends FileOption {
  subdomain?: string[];
  addSubdomain?: string[];
  removeSubdomain?: string[];
  note?: string;
  expires?: string | null;
  maxTunnels?: number | null;
  maxRequestsPerSecond?: number | null;
  maxBytesPerSecond?: number | null;
}

export interface RotateOptions extends FileOption {
  /** In milliseconds. */
  keepOld?: number;
}

export interface ListOptions extends FileOption {
  json?: boolean;
}
