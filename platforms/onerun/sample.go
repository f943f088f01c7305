package onerun

// sample is the commented entry of parley.yaml that starter init writes.
const sample = `type: onerun
# The address of OneRun's API, without /v1.
{{- if .URL}}
base_url: {{yaml .URL}}
{{- else}}
base_url: ${ONERUN_API_BASE_URL}
{{- end}}
# The key that OneRun has as AUTH_API_KEY.
api_key: ${ONERUN_API_KEY}
# How many conversations are open at once; a stock OneRun stops answering at about fifteen.
# max_open: 10
# Who speaks first: persona or agent.
# opening: persona
# Conversations that another worker claimed and left are adopted after this time. Default: never.
# adopt_after: 1h
# The time between two polls.
# poll_interval: 2s
`
