package gemini

// Sample is the commented entry of parley.yaml that starter init writes.
const Sample = `type: gemini
# The model to ask.
model: {{yaml (or .Model "gemini-2.5-flash")}}
# The key comes from the environment of the worker.
api_key: ${GEMINI_API_KEY}
{{- if .URL}}
# The address before /v1beta/models.
base_url: {{yaml .URL}}
{{- else}}
# For a proxy, the address before /v1beta/models:
# base_url: http://localhost:4000
{{- end}}
# The system prompt.
# instructions: You are the support desk of a shop for house plants.
# The longest reply, in tokens. Default: the model's own limit.
# max_output_tokens: 1000
# How long one call may take.
# timeout: 2m
`
