import { printable } from "mcp-tunnel-page/printable.ts";
import type { ClusterState, WorkerState } from "../../../src/model.ts";

export function Relays({ cluster: { node: own, relays } }: { readonly cluster: ClusterState }) {
  return (
    <table class="counts">
      <thead>
        <tr>
          <th scope="col">Relay</th>
          <th scope="col">Address</th>
          <th scope="col">State</th>
        </tr>
      </thead>
      <tbody>
        {relays.map(({ node, address, silent }) => (
          <tr key={node}>
            <th scope="row">
              <strong class="counts-name mono">{printable(node, true)}</strong>
              {node === own && <span class="muted"> this one</span>}
            </th>
            <td class="mono">{address !== undefined && printable(address, true)}</td>
            <td>
              {silent === true ? (
                <span class="badge bad">silent</span>
              ) : (
                <span class="badge good">there</span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Processes({ workers }: { readonly workers: readonly WorkerState[] }) {
  return (
    <table class="counts">
      <thead>
        <tr>
          <th scope="col">Process</th>
          <th scope="col" class="number">
            pid
          </th>
          <th scope="col">State</th>
        </tr>
      </thead>
      <tbody>
        {workers.map(({ worker, pid, node, ready }) => (
          <tr key={worker}>
            <th scope="row">
              <strong class="counts-name">{worker}</strong>
              {node !== undefined && <span class="muted mono"> {printable(node, true)}</span>}
            </th>
            <td class="number mono">{pid}</td>
            <td>
              {ready ? <span class="badge good">ready</span> : <span class="badge warn">not ready</span>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
