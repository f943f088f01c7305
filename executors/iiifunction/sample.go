package iiifunction

// Sample is the commented entry of parley.yaml that starter init writes.
const Sample = `type: iii
# The engine that has the function.
url: {{yaml (or .URL "ws://127.0.0.1:49134")}}
# The agent that agent::chat of AgentOS runs. For a function of your own, write
# function and dialect: plain in its place.
agent_id: support
# How long one call may take.
# timeout: 2m
`
