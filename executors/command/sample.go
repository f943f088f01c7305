package command

// Sample is the commented entry of parley.yaml that starter init writes.
const Sample = `type: command
# Your program and its arguments: it reads requests and writes replies, a line of JSON each.
command: [python3, agent.py]
# Where it runs, from the folder of this file.
# dir: .
# Variables of the worker that the program needs; it receives no others but PATH and the like.
# pass_env: [OPENAI_API_KEY]
# How many programs may run, and how many requests of one at a time.
# processes: 2
# concurrency: 1
# How long one reply may take.
# timeout: 2m
`
