import { TunnelError } from "mcp-tunnel-protocol";
import { V1ClientSession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import { linkedPair, type MemoryLink } from "mcp-tunnel-protocol/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Tunnel, type TunnelInfo } from "../src/tunnels/tunnel.js";
import { AcceptedExchange } from "./support.js";

/** A client was asked to register anew, and has done so at the same relay. */
describe("a session that its client was asked to leave", () => {
  const closed = vi.fn();
  let tunnel: Tunnel;
  let session: V1RelaySession;
  let clientLink: MemoryLink;
  let exchange: AcceptedExchange | undefined;

  beforeEach(() => {
    closed.mockClear();
    const nothing = (): void => {};
    const info: TunnelInfo = {
      name: "app",
      url: "",
      instance: "i",
      address: "",
      client: undefined,
      grant: undefined,
      owner: "o",
      takesRefusals: false,
      gate: undefined,
      session: "id",
      wire: "v1",
      pool: undefined,
    };
    tunnel = new Tunnel(info, 60_000, {
      onDisplaced: nothing,
      onAway: nothing,
      onBack: nothing,
      onLost: nothing,
      onRevoked: nothing,
      onLeaving: nothing,
      onClosed: closed,
      onFault: nothing,
      onOverloaded: nothing,
      onRateLimited: nothing,
      onSlowed: nothing,
    });
    session = new V1RelaySession(tunnel, {});
    const client = new V1ClientSession(
      (stream, head) => (exchange = new AcceptedExchange(stream, head)),
      { onClose() {} },
      {},
    );
    const [relayLink, otherLink] = linkedPair();
    clientLink = otherLink;
    tunnel.serve(session);
    session.attach(relayLink, 0);
    client.attach(otherLink, 0);
  });

  afterEach(() => session.destroy(new TunnelError("session_closed", "the test is over")));

  async function openStream(): Promise<{ ended: () => boolean }> {
    let ended = false;
    exchange = undefined;
    const head = { method: "GET", path: "/", headers: [] };
    const handler = { onData() {}, onEnd: () => void (ended = true), onReset() {} };
    tunnel.open(head, true, handler);
    await vi.waitFor(() => expect(exchange).toBeDefined());
    return { ended: () => ended };
  }

  it("goes on until its streams have finished", async () => {
    const stream = await openStream();
    session.goaway();
    tunnel.replace();
    exchange?.stream.sendHead({ status: 200, headers: [] });
    expect(closed).not.toHaveBeenCalled();
    exchange?.stream.end();
    await vi.waitFor(() => expect(stream.ended()).toBe(true));
    await vi.waitFor(() => expect(closed).toHaveBeenCalledTimes(1));
    // The close arrives later, as everything on a link does.
    await vi.waitFor(() => expect(clientLink.closed?.code).toBe(1000));
  });

  it("is closed at once if it was not asked, in a way that does not end a client that is still there", async () => {
    await openStream();
    tunnel.replace();
    expect(closed).toHaveBeenCalledTimes(1);
    await vi.waitFor(() => expect(clientLink.closed?.code).toBe(1001));
  });

  it("is over when its link is lost", async () => {
    await openStream();
    session.goaway();
    clientLink.terminate();
    await vi.waitFor(() => expect(closed).toHaveBeenCalledTimes(1));
    expect(tunnel.state.name).toBe("closed");
  });
});
