import { printable } from "mcp-tunnel-page/printable.ts";
import type { CertificateState } from "../../../src/model.ts";
import { dateText, longText } from "../parts/when.ts";
import { expiryWarningMs } from "./attention.ts";

export function Certificates({ all }: { readonly all: readonly CertificateState[] }) {
  if (all.length === 0) return <p class="muted">This relay has no certificate: it speaks plain HTTP.</p>;
  return (
    <ul class="cards">
      {all.map((certificate) => (
        <li key={certificate.names.join(" ")} class="card">
          <p class="card-head">
            <strong class="mono">{printable(certificate.names.join(", "), true)}</strong>
            <Validity certificate={certificate} />
          </p>
          <p class="muted">
            {dateText(certificate.notBefore)} – {dateText(certificate.notAfter)}, by{" "}
            {printable(certificate.issuer, true)},{" "}
            {certificate.source === "acme" ? "renewed by ACME" : "from files"}
          </p>
          {certificate.stale !== undefined && (
            <p class="bad">Could not be renewed: {printable(certificate.stale, true)}</p>
          )}
        </li>
      ))}
    </ul>
  );
}

function Validity({ certificate: { notBefore, notAfter } }: { readonly certificate: CertificateState }) {
  const now = Date.now();
  if (notAfter <= now) return <span class="badge bad">expired {longText(now - notAfter)} ago</span>;
  if (notBefore > now) return <span class="badge bad">not valid yet</span>;
  const tone = notAfter - now <= expiryWarningMs ? "warn" : "good";
  return <span class={`badge ${tone}`}>{longText(notAfter - now)} left</span>;
}
