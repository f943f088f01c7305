# One image with the three programs: worker (the entry point), starter and
# simulator. Nothing else is in it but certificates, so there is no shell: probes
# run one of the programs or ask the worker's /healthz and /readyz. The image sets
# no HEALTHCHECK itself, because what is healthy depends on which program runs;
# docker-compose.yml has one for each.
#
#   docker build -t parley .
#   docker run --rm --entrypoint starter parley doctor

# The version of Go is that of go.mod; any later patch release will do.
ARG GO_VERSION=1.26
# By its tag, which moves with patch releases: --build-arg GO_IMAGE=golang@sha256:… for one
# that does not. Nothing of this image but certificates is in the result.
ARG GO_IMAGE=golang:${GO_VERSION}-bookworm

FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
# Static: no cgo, and the time zones inside.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -tags timetzdata -ldflags "-s -w -X github.com/parley-run/parley/internal/version.linked=$VERSION" \
    -o /out/ ./worker ./starter ./simulator
# What a program expects to find: a place for temporary files, one for state.
RUN mkdir -p /out/tmp /out/data /out/etc/parley

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/worker /out/starter /out/simulator /usr/local/bin/
COPY --from=build --chown=65532:65532 /out/tmp /tmp
# A named volume takes over its owner.
COPY --from=build --chown=65532:65532 /out/data /data
# parley.yaml is looked for here.
COPY --from=build --chown=65532:65532 /out/etc/parley /etc/parley
WORKDIR /etc/parley
ENV PATH=/usr/local/bin HOME=/tmp
USER 65532:65532
# Long enough for replies that are being written to be handed over.
STOPSIGNAL SIGTERM
ENTRYPOINT ["worker"]

LABEL org.opencontainers.image.title="Parley" \
      org.opencontainers.image.description="Runs your AI agent in conversations that must not be lost" \
      org.opencontainers.image.licenses="Apache-2.0"
