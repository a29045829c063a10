import { readFileSync } from "node:fs";

/** What the vector files under test/vectors hold; each says in `about` what its fields mean. */
interface VectorFiles {
  hosts: { vectors: HostVector[] };
  paths: { vectors: PathVector[] };
  smuggling: { vectors: SmugglingVector[] };
  frames: { vectors: FrameVector[] };
  heads: { responses: ResponseVector[]; requests: RequestVector[] };
}

export interface HostVector {
  host: string[];
  target: string;
  expect: string;
  origin: string;
}

export interface PathVector {
  target: string;
  method?: string;
  relay: string;
  client: string;
  arrives?: string;
  origin: string;
}

export interface SmugglingVector {
  name: string;
  origin: string;
  request: string;
  expect: "reject" | "cut" | "pass";
  body?: string;
}

export interface FrameVector {
  name: string;
  origin: string;
  to: ("relay" | "client")[];
  hex: string;
  expect: "violation" | "ignored";
}

export interface ResponseVector {
  name: string;
  origin: string;
  status: number;
  headers: string[];
  expect: "pass" | "refuse" | "cut" | "violation";
  body?: string;
  never?: string;
}

export interface RequestVector {
  name: string;
  origin: string;
  method: string;
  path: string;
  headers: string[];
  upgrade?: boolean;
  end?: boolean;
  body?: string;
  trailers?: string[];
  host?: number;
  never?: string;
  expect: "pass" | "refuse" | "refuse-or-drop";
}

export function readVectors<Name extends keyof VectorFiles>(name: Name): VectorFiles[Name] {
  const file = new URL(`../../vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as VectorFiles[Name];
}
