export interface FileOption {
  tokenFile: string;
}

export interface CreateOptions extends FileOption {
  subdomain: string[];
  note?: string;
  expires?: string;
  maxTunnels?: number;
}

export interface ListOptions extends FileOption {
  json?: boolean;
}
