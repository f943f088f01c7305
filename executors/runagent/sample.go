package runagent

// Sample is the commented entry of parley.yaml that starter init writes.
const Sample = `type: runagent
# Where agents run: serverless, in RunAgent's cloud, or local, in runagent serve.
mode: serverless
# The key of RunAgent's cloud comes from the environment of the worker.
api_key: ${RUNAGENT_API_KEY}
{{- if .URL}}
# The address of the cloud.
url: {{yaml .URL}}
{{- end}}
{{- if .Tasks}}
# The tasks name the agent. This one is for tasks that name none:
# agent_id: 6ad1a0ce-3c2c-4df0-9d5f-0a4a7f0a2f11
{{- else}}
# The agent that replies.
agent_id: ${RUNAGENT_AGENT_ID}
# The entrypoint, and the names of its arguments for the new message and for all before it:
# entrypoint: chat
# message_key: message
# history_key: history
{{- end}}
# An attempt with an unknown result is not made again.
# at_most_once: true
# How long one run may take.
# timeout: 4m
`
