package anthropic

// Sample is the commented entry of parley.yaml that starter init writes.
const Sample = `type: anthropic
# The model to ask.
model: {{yaml (or .Model "claude-haiku-4-5")}}
# The key comes from the environment of the worker.
api_key: ${ANTHROPIC_API_KEY}
{{- if .URL}}
# The address before /v1/messages.
base_url: {{yaml .URL}}
{{- else}}
# For a compatible server, the address before /v1/messages:
# base_url: http://localhost:4000
{{- end}}
# The system prompt.
# instructions: You are the support desk of a shop for house plants.
# The longest reply, in tokens.
# max_output_tokens: 4096
# How long one call may take.
# timeout: 2m
`
