package iiiengine

// sample is the commented entry of parley.yaml that starter init writes.
const sample = `type: iii
# The engine, which calls the conversations as functions.
url: {{yaml (or .URL "ws://127.0.0.1:49134")}}
# Sent with the handshake, where the engine demands credentials.
# headers: {Authorization: "${ENGINE_AUTHORIZATION}"}
# The service part of the functions' ids: conversation::start and so on.
# prefix: conversation
# Serves AgentOS's agent::chat, too.
# agent_chat: true
`
