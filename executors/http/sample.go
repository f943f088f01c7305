package http

// Sample is the commented entry of parley.yaml that starter init writes.
const Sample = `type: http
# Your agent: it receives the messages by POST and answers with the reply.
url: {{yaml (or .URL "http://localhost:8000/reply")}}
# A path that answers 2xx while the agent works; starter doctor asks it.
# health: /healthz
# The agent's key, if it checks one.
# bearer_token: ${AGENT_TOKEN}
# Only the new messages, for an agent that keeps the others itself (all, new).
# send: new
# How long one call may take.
# timeout: 2m
`
