# syntax=docker/dockerfile:1
# Builds the page and the server, and leaves the server alone in an image without a shell.
#
#   docker build -t dnsward:0.1.0 .
#   docker run --read-only --cap-drop=ALL --security-opt=no-new-privileges \
#     -v dnsward:/var/lib/dnsward -p 53:1053/udp -p 53:1053/tcp -p 127.0.0.1:8080:8080 dnsward:0.1.0

# At least `rust-version` of Cargo.toml and what admin-ui/build.rs asks of Node.js.
ARG RUST_VERSION=1.95
ARG NODE_VERSION=24

FROM node:${NODE_VERSION}-trixie-slim AS node

# trixie in both: a binary built against a newer glibc than the last stage's would not start there.
FROM rust:${RUST_VERSION}-trixie AS build
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm

WORKDIR /src
COPY . .
# `require`: without it, a failed npm gives an image whose admin page is only a notice.
ENV DNSWARD_UI=require
# The caches outlive the layer and are not in it, hence the copy to /out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --package dnsward --bin dnsward \
    && install -D target/release/dnsward /out/dnsward \
    && install -d /out/data

# glibc and libgcc, time zones, no shell and no package manager. Not scratch: a static binary would
# be built with musl, which nothing of this is tested with. debian13 is the one that still gets
# security fixes.
FROM gcr.io/distroless/cc-debian13:nonroot
LABEL org.opencontainers.image.title="dnsward" \
      org.opencontainers.image.description="A DNS server that blocks, caches and forwards over HTTPS" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"

COPY --from=build /out/dnsward /dnsward
# Owned by the user below; a new volume mounted here takes that over.
COPY --from=build --chown=65532:65532 /out/data /var/lib/dnsward
# Without it the admin page and the metrics listen on the container's own loopback, where no
# published port arrives. A file rather than variables: those would win over a file you mount.
COPY <<'TOML' /etc/dnsward/dnsward.toml
data_dir = "/var/lib/dnsward"

[admin]
listen = "0.0.0.0:8080"

[metrics]
listen = "0.0.0.0:9090"
TOML

# By number: Kubernetes' runAsNonRoot cannot tell who a name is.
USER 65532:65532
VOLUME /var/lib/dnsward
EXPOSE 1053/udp 1053/tcp 8080/tcp 9090/tcp
# Kubernetes ignores this and has probes of its own.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 CMD ["/dnsward", "healthcheck"]
ENTRYPOINT ["/dnsward"]
CMD ["serve"]
