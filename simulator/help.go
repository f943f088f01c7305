package main

const help = `simulator is a practice partner for agents: a OneRun-compatible platform in one
process. Its personas write to your agent, and it keeps count of what your worker
does. It needs no database, no account and no model key.

Usage: simulator [flags]

It seeds a project, an agent and a simulation, prints the environment a worker
needs to stdout, and serves until Ctrl-C. All else goes to stderr.

Where it is:
  --addr HOST:PORT          where to listen (default 127.0.0.1:3001)
  --next-free-port          take the next free port if that one is taken
  --api-key KEY             key that workers must send (default: ONERUN_API_KEY,
                            else parley-simulator-key)
  --state FILE              keep everything in FILE over restarts (default: memory)

What happens in it:
  --scenario FILE           personas and their rules (default: a shop's support desk)
  --simulations N           how many to seed (default 1)
  --conversations N         in each of them (default 8; 0 seeds no simulation)
  --max-turns N             messages of both sides that end a conversation (default 12)
  --pass-size N             make only N conversations at a time (default: all at once)
  --pass-every DURATION     time between such passes (default 1s)
  --seed N                  the same seed makes the same personas say the same (default 1)
  --latency MIN[..MAX]      how long personas think, such as 200ms..800ms
  --strict                  ignore Idempotency-Key, as stock OneRun does
  --exit-when-done          stop once every conversation has ended

Personas played by a model, through OpenAI's chat API or one like it:
  --persona-model NAME      the model (key: OPENAI_API_KEY; default: the scenario's rules)
  --persona-base-url URL    the API (default: OPENAI_BASE_URL, else OpenAI's own)

What goes wrong in it (rates from 0 to 1):
  --error-rate RATE         500 in plain text, nothing done
  --rate-limit-rate RATE    429, nothing done
  --retry-after DURATION    what such a 429 asks for (default 1s)
  --lost-answer-rate RATE   done, but the connection is cut or answers 500
  --slow-rate RATE          done, but later
  --slow-by DURATION        how much later (default 5s)
  --malformed-rate RATE     done, but the answer is half a JSON document
  --fault-only OPERATIONS   only there: start,responses,end,items,list,get

Other:
  --print-env               print the environment of the simulator that runs at --addr
  --log-level LEVEL         debug, info, warn or error (default info)
  --version                 print the version
  -h, --help                print this

Examples:
  simulator --conversations 20 --latency 200ms..800ms
  eval "$(simulator --print-env)"      # in the worker's terminal
  simulator --scenario my-customers.yaml --state practice.jsonl
  simulator --lost-answer-rate 0.2 --error-rate 0.1 --seed 7 --exit-when-done

What your worker did: GET /simulator/report (with the key).
Exit codes: 0 stopped or done, 1 something failed, 2 bad flags, scenario or state file.
`
