import type { Captured, CapturedEvent, CapturedMessage, CaptureListener } from "../captured.js";

/** Tells one listener of one kind of news. */
export type Tell<Detail> = (listener: CaptureListener, entry: Captured, detail: Detail) => void;

export const begun: Tell<undefined> = (listener, entry) => listener.begun?.(entry);
export const requested: Tell<undefined> = (listener, entry) => listener.requested?.(entry);
export const answered: Tell<undefined> = (listener, entry) => listener.answered?.(entry);
export const event: Tell<CapturedEvent> = (listener, entry, detail) => listener.event?.(entry, detail);
export const message: Tell<CapturedMessage> = (listener, entry, detail) => listener.message?.(entry, detail);
export const over: Tell<undefined> = (listener, entry) => listener.over?.(entry);
export const gone: Tell<undefined> = (listener, entry) => listener.gone?.(entry);
