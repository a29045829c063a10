/** Whether visitors behind a trusted proxy get interim responses: see the relay's option of this name. */
export const interimToProxies = ["drop", "pass"] as const;
export type InterimToProxies = (typeof interimToProxies)[number];
