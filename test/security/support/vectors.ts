import { readFileSync } from "node:fs";

/** The contents of the vector files under test/vectors. `about` in each file explains the fields. */
interface VectorFiles {
  hosts: { vectors: HostVector[] };
  paths: { vectors: PathVector[] };
  smuggling: { vectors: SmugglingVector[] };
  frames: { vectors: FrameVector[] };
  heads: { responses: ResponseVector[]; requests: RequestVector[]; answers: AnswerVector[] };
}

export interface HostVector {
  host: string[];
  target: string;
  expect: string;
  nginx?: string;
  origin: string;
}

export interface PathVector {
  target: string;
  method?: string;
  relay: string;
  client: string;
  nginx?: "refuses" | "pass";
  arrives?: string;
  origin: string;
}

export interface SmugglingVector {
  name: string;
  origin: string;
  request: string;
  expect: "reject" | "cut" | "pass";
  nginx?: "refuses" | "pass";
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
  service?: "pass" | "refuse";
  body?: string;
  never?: string;
}

export interface AnswerVector {
  name: string;
  origin: string;
  bytes: string;
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

/** The bytes of a smuggling vector, for the tunnel `app` of the domain tunnel.test. */
export function bytesOf({ request }: SmugglingVector): string {
  const text = request.replaceAll("{host}", "app.tunnel.test");
  return text.replace("{length}", String(text.length - text.indexOf("\r\n\r\n") - 4));
}

/** The body of the one request in the vector. */
export function bodyOf(vector: SmugglingVector): string {
  const text = bytesOf(vector);
  return vector.body ?? text.slice(text.search(/[^\r\n]/)).replace(/^.*?\r\n\r\n/s, "");
}
