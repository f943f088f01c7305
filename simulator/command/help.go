package command

const help = `simulator is a practice partner for agents: a OneRun-compatible platform in one
process. Its personas write to your agent, and it keeps count of what your worker
does. It needs no database, no account and no model key.

Usage: simulator [flags]

It seeds a project, an agent and a simulation, prints the environment a worker
needs to stdout, and serves until Ctrl-C. All else goes to stderr. The key is
printed only to a terminal, or into a file that only its owner can read.

Where it is:
  --addr HOST:PORT          where to listen (default 127.0.0.1:3001)
  --next-free-port          take the next free port if that one is taken
  --api-key KEY             key that workers must send (default: ONERUN_API_KEY,
                            else a random one)
  --api-key-file FILE       the key is in FILE; a random one is put there, with mode
                            0600, if there is no such file
  --env-file FILE           write the environment to FILE, with mode 0600
  --allow-origin ORIGIN     a web page that may call it from a browser, such as
                            http://localhost:3000; repeat for more (default: none)
  --state FILE              keep everything in FILE over restarts (default: memory)

What happens in it:
  --scenario FILE           personas and their rules (default: a shop's support desk)
  --simulations N           how many to seed (default 1)
  --conversations N         in each of them (default 8; 0 seeds no simulation)
  --max-turns N             messages of both sides that end a conversation (default 12)
  --pass-size N             make only N conversations at a time (default: all at once)
  --pass-every DURATION     time between such passes (default 1s)
  --seed N                  the same seed makes the same personas say the same (default 1)
  --latency MIN[..MAX]      how long personas think about each message, such as
                            200ms..800ms, or 5m for a very slow one
  --lenient LIST            leave out some of OneRun's quirks: keys, turns, claims,
                            capacity, missing, items, markers, empty, connections
  --strict                  behave as OneRun does (default); --strict=false sets every
                            --lenient item
  --exit-when-done          stop once every conversation has ended

Personas played by a model, through OpenAI's chat API or one like it:
  --persona-model NAME      the model (key: OPENAI_API_KEY; default: the scenario's rules)
  --persona-base-url URL    the API (default: OPENAI_BASE_URL, else OpenAI's own)

Faults on purpose (rates from 0 to 1):
  --error-rate RATE         500 in plain text, nothing done
  --rate-limit-rate RATE    429, nothing done
  --retry-after DURATION    what such a 429 asks for (default 1s)
  --lost-answer-rate RATE   done, but the connection is cut or answers 500
  --slow-rate RATE          done, but the answer comes late
  --slow-by DURATION        how much later (default 5s)
  --malformed-rate RATE     done, but the answer is half a JSON document
  --fault-only OPERATIONS   faults only in these: start,responses,end,items,list,get

Other:
  --print-env               print the environment of the simulator that runs at --addr;
                            needs its key
  --log-level LEVEL         debug, info, warn or error (default info)
  --version                 print the version
  -h, --help                print this

Examples:
  simulator --env-file practice.env --conversations 20 --latency 200ms..800ms
  . ./practice.env                     # in the worker's terminal
  simulator --scenario my-customers.yaml --state practice.jsonl
  simulator --lost-answer-rate 0.2 --error-rate 0.1 --seed 7 --exit-when-done

What --lenient switches off: OneRun ignores Idempotency-Key (keys), mixes up
messages that arrive at once (turns), lets two claims at once both succeed
(claims), stops answering for 30 s at the 16th responses call at once (capacity),
answers 500 for missing simulations (missing), gives transcripts by POST only
(items), takes "[END] " for text (markers), answers 500 to empty messages (empty),
closes idle connections after 5 s, has a late Date, and cuts off what is under way
when it stops (connections).

What your worker did: GET /simulator/report, with the key. A browser gets a page; it asks
for a name (any) and a password (the key).
Exit codes: 0 stopped or done, 1 something failed, 2 bad flags, scenario or state file.
`
