/** What has to differ between two runs of a server, and is taken out before they are compared. All of it. */
export const mustDiffer: readonly Removal[] = [
  {
    why: "Tasks of server-everything have random ids",
    found: /("taskId":)"[^"]*"/g,
    replacement: '$1"…"',
  },
  {
    why: "Its tasks tell when they were made, and when they last changed",
    found: /("(?:createdAt|lastUpdatedAt)":)"[^"]*"/g,
    replacement: '$1"…"',
  },
  {
    why: "Its resources tell when they were made",
    found: /(created at )[^"\\]*/g,
    replacement: "$1…",
  },
  {
    why: "Its log messages have a random level",
    found: /"level":"[a-z]+","data":"[A-Z][a-z]+[- ]level[- ]message"/g,
    replacement: '"level":"…","data":"…"',
  },
  {
    why: "It makes a random id for a page that the user has to open before a call",
    found: /("message":"Open this link to satisfy[^"]*","elicitationId":)"[^"]*"/g,
    replacement: '$1"…"',
  },
  {
    why: "SDK 2 makes a random id for a page that the user has to open, in the legacy eras",
    found: /("mode":"url","elicitationId":)"[^"]*"/g,
    replacement: '$1"…"',
  },
  {
    why: "server-filesystem tells the times of a file",
    found: /(created|modified|accessed): [^\\"]*/g,
    replacement: "$1: …",
  },
  {
    why: "mcp-server-time tells the time",
    found: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d/g,
    replacement: "…",
  },
  {
    why: "The Python SDK seals the state of a request with a random key",
    found: /("requestState":)"[^"]*"/g,
    replacement: '$1"…"',
  },
];

interface Removal {
  readonly why: string;
  readonly found: RegExp;
  readonly replacement: string;
}

/** What a client sees on one of the two ways only, and is left out. All of it. */
export const seenOnOneWay: readonly { readonly why: string; readonly found: RegExp }[] = [
  {
    why: "Over stdio, SDK 2 asks a process of its own which era the server speaks: no journal sees it",
    found: /^received .*"id":"server\/discover \d+"/,
  },
  {
    why: "Over HTTP, revision 2026-07-28 answers an unknown method with 404, and the client reads no message",
    found: /^received .*"id":"example\.com\/unknown \d+"/,
  },
];
