# The relay as an image: docs/deploy.md tells how to run it.
#
# scripts/prove-dockerfile.mjs carries these steps out in a bare directory, for machines without an engine. It knows COPY,
# RUN, WORKDIR, ENV, USER, HEALTHCHECK and ENTRYPOINT in the forms that stand here; apt-get it only simulates.

# JavaScript is the same for every processor, so it is built on the one at hand.
FROM --platform=$BUILDPLATFORM node:24-bookworm-slim AS build
WORKDIR /src
COPY . .
RUN npm ci --include-workspace-root --workspace packages/shared --workspace packages/protocol --workspace packages/config --workspace packages/cluster --workspace packages/relay \
  --workspace packages/client --workspace packages/stdio --workspace packages/gate --workspace packages/page --workspace packages/inspector --workspace packages/dashboard --workspace packages/cli
# The relay, and the client that it hands out.
RUN npx tsc -b packages/relay packages/cli packages/dashboard && node packages/inspector/build-page.mjs && node packages/dashboard/build-page.mjs && node scripts/client-package.mjs
# Again, without what only the build needs.
RUN npm ci --omit=dev --workspace packages/shared --workspace packages/protocol --workspace packages/config --workspace packages/cluster --workspace packages/dashboard --workspace packages/relay

FROM node:24-bookworm-slim
# Process 1 has to reap what an ACME hook leaves behind, and to pass signals on.
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /src/LICENSE .
COPY --from=build /src/node_modules node_modules/
COPY --from=build /src/packages/shared/package.json packages/shared/
COPY --from=build /src/packages/shared/dist packages/shared/dist/
COPY --from=build /src/packages/protocol/package.json packages/protocol/
COPY --from=build /src/packages/protocol/dist packages/protocol/dist/
COPY --from=build /src/packages/config/package.json packages/config/
COPY --from=build /src/packages/config/dist packages/config/dist/
COPY --from=build /src/packages/cluster/package.json packages/cluster/
COPY --from=build /src/packages/cluster/dist packages/cluster/dist/
COPY --from=build /src/packages/dashboard/package.json packages/dashboard/
COPY --from=build /src/packages/dashboard/dist packages/dashboard/dist/
COPY --from=build /src/packages/relay/package.json packages/relay/
COPY --from=build /src/packages/relay/node_modules packages/relay/node_modules/
COPY --from=build /src/packages/relay/bin packages/relay/bin/
COPY --from=build /src/packages/relay/dist packages/relay/dist/
RUN mkdir -p /usr/local/bin && ln -s /app/packages/relay/bin/mcp-tunnel.js /usr/local/bin/mcp-tunnel

ENV NODE_ENV=production
# Only within the container, for the health check; see docs/metrics.md for how to reach it from outside.
ENV MCP_TUNNEL_ADMIN_LISTEN=127.0.0.1:9090
USER node
EXPOSE 8080
# Alive, not ready: with a token file that it cannot read again it goes on with what it has read, and would not start anew.
HEALTHCHECK --interval=30s --timeout=10s --start-period=15s CMD ["mcp-tunnel", "health", "--live"]
ENTRYPOINT ["tini", "--", "mcp-tunnel"]
