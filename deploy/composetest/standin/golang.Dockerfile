# Stands in for the golang image: Debian with this machine's Go, from GOROOT, which is the
# context. The variables are the official image's.
ARG DEBIAN
FROM ${DEBIAN}
ENV GOTOOLCHAIN=local GOPATH=/go PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY . /usr/local/go
RUN mkdir -p /go/src /go/bin && chmod -R 1777 /go && go version
WORKDIR /go
