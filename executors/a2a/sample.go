package a2a

// Sample is the commented entry of parley.yaml that starter init writes.
const Sample = `type: a2a
# The agent: its card is below this address, at /.well-known/agent-card.json.
url: {{yaml (or .URL "http://localhost:9999")}}
# The agent's key, if it checks one.
# bearer_token: ${AGENT_TOKEN}
# Other servers that the card may name; the key goes there too.
# card_hosts: [agents.example.com]
# How long one call may take.
# timeout: 2m
`
