package pulse

// sample is the commented entry of parley.yaml that starter init writes.
const sample = `type: pulse
# The address of Pulse.
{{- if .URL}}
url: {{yaml .URL}}
{{- else}}
url: ${PULSE_SERVER_URL}
{{- end}}
# The key that Pulse has as API_KEY, if it checks one.
api_key: ${PULSE_API_KEY:-}
# The types of task to run. Give tasks a type of their own where another worker runs, too.
# types: [run_agent, execute_agent]
# Tasks that another worker claimed and left are adopted after this time. Default: never.
# adopt_after: 1h
# The time between two polls.
# poll_interval: 2s
`
