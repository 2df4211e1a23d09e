# syntax=docker/dockerfile:1

# A Debian release, because the last stage takes the C library of this one.
ARG RUST=1.95-slim-bookworm

FROM rust:${RUST} AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils ca-certificates cmake gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# The dependencies alone, in a layer that only the manifest, the lock file and the list of benches can make stale.
COPY Cargo.toml Cargo.lock ./
COPY benches ./benches
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --locked --release --bin larder \
    && rm -r src

COPY src ./src
# The stub's time stamps are later than those of the sources that replace it.
RUN find src -name '*.rs' -exec touch {} + \
    && cargo build --locked --release --bin larder

# The root of the last stage: the binary without its line tables (four fifths of it), the libraries it names, the
# authorities that origins are verified against, and an empty /etc/larder to mount proxy.yaml in. `ldd` names paths, so
# this holds on every architecture.
RUN mkdir -p /root-fs/usr/bin /root-fs/etc/ssl/certs /root-fs/etc/larder \
    && cp target/release/larder /root-fs/usr/bin/ \
    && strip --strip-debug /root-fs/usr/bin/larder \
    && ldd target/release/larder | grep -o '/[^ ]*' | xargs -I '{}' cp --parents --dereference '{}' /root-fs \
    && cp --dereference /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ \
    && echo 'larder:x:65532:65532::/:/sbin/nologin' > /root-fs/etc/passwd \
    && echo 'larder:x:65532:' > /root-fs/etc/group

FROM scratch
COPY --from=build /root-fs /
# The number, not the name: Kubernetes' runAsNonRoot can only judge numbers.
USER 65532:65532
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
EXPOSE 8080 9090
# Nothing is ever written, so the root file system may be read-only.
# There is no shell and no curl here: the binary asks its own admin listener.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/bin/larder", "health"]
ENTRYPOINT ["/usr/bin/larder"]
CMD ["run"]
