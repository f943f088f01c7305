#!/bin/sh
# Asks the simulator which project and agent it has and writes their ids to files,
# where parley.yaml reads them: the simulator makes new ones for a new volume.
set -eu

base=${ONERUN_API_BASE_URL:?}
into=${IDS_DIR:-/data}
key=${ONERUN_API_KEY:-$(cat "$into/key")}

first_id() {
    wget -q -O - --header "x-api-key: $key" "$base$1" |
        sed -n 's/^{"data":\[{"id":"\([A-Za-z0-9]*\)".*/\1/p'
}

project=$(first_id "/v1/projects?limit=1")
agent=$(first_id "/v1/agents?limit=1&project_id=$project")
if [ -z "$project" ] || [ -z "$agent" ]; then
    echo "the simulator at $base has no project and agent" >&2
    exit 1
fi
printf '%s\n' "$project" >"$into/project"
printf '%s\n' "$agent" >"$into/agent"
echo "project $project, agent $agent"
