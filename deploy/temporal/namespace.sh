#!/bin/sh
# Waits for the Temporal server and creates the namespace, unless it exists. Runs
# in the temporalio/admin-tools image.
set -eu

host=${TEMPORAL_HOST:-temporal}
namespace=${TEMPORAL_NAMESPACE:-default}

# By number: not every version of the command line can use the bare host name.
ip=$(getent ahosts "$host" | awk '/STREAM/ { print $1; exit }')
address=${ip:-$host}:7233

tries=0
until temporal operator cluster health --address "$address" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 60 ]; then
        echo "the Temporal server at $host does not become healthy" >&2
        temporal operator cluster health --address "$address" # for its message
        exit 1
    fi
    sleep 2
done

if temporal operator namespace describe --namespace "$namespace" --address "$address" >/dev/null 2>&1; then
    echo "namespace $namespace exists"
else
    temporal operator namespace create --namespace "$namespace" --retention "${TEMPORAL_RETENTION:-7d}" --address "$address"
fi
