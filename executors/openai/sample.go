package openai

// Sample is the commented entry of parley.yaml that starter init writes.
const Sample = `type: openai
# The model to ask.
model: {{yaml (or .Model "` + defaultModel + `")}}
{{- if .URL}}
# A server that is compatible with OpenAI's: Ollama, vLLM, llama.cpp and others.
base_url: {{yaml .URL}}
# Its key, if it checks one.
api_key: ${OPENAI_API_KEY:-}
{{- else}}
# The key comes from the environment of the worker.
api_key: ${OPENAI_API_KEY}
# For a compatible server (Ollama, vLLM, llama.cpp and others), its address:
# base_url: http://localhost:11434/v1
{{- end}}
# The system prompt.
# instructions: You are the support desk of a shop for house plants.
# The longest reply, in tokens. Default: the model's own limit.
# max_output_tokens: 1000
# How long one call may take.
# timeout: 2m
`
