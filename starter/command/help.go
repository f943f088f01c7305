package command

const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalNonPersistentFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasExample}}
Examples:
{{.Example}}
{{end}}{{if .HasParent}}
Flags of every command: {{.Root.Name}} --help
{{else}}
Flags of every command:
{{.PersistentFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}`

const rootHelp = `starter starts, watches and controls Parley's conversations.

Usage: starter COMMAND [flags]

Conversations:
  run        start conversations: named ones, or all of a simulation
  list       list conversations, the newest first
  show       show one conversation: its state and its messages
  watch      follow one conversation, or all open ones
  ui         all of this as a web page on this machine, live
  end        end conversations on their platform
  pause      stop conversations before their next step
  resume     resume conversations that are paused or need attention
  takeover   answer one turn in the agent's place
  chat       exchange messages with an agent, without a platform
  send       send one message to an agent, and print the reply
  approve    list the tool calls that wait for approval, and decide on them
  erase      delete all that Temporal has of conversations
  audit      list what operators have done, who and when
  report     sum up many: figures, comparison with an earlier report, CI results
  export     write conversations for evaluation and training, redacted or not

Agents:
  inbox      status, start, stop, pause, resume: what starts an agent's conversations
  schedule   create, list, show, run, pause, resume, update, backfill, delete: runs at set times
  executors  list the executors, and why one is not available

Versions of the worker:
  deploy     make a build current, after it has replayed what is open
  move       let pinned conversations continue on the current version

Installation:
  init       write a commented parley.yaml, and run doctor
  doctor     find out what is wrong, and how to repair it
  setup      register the search attributes on the namespace
  codec-server
             decrypt payloads for Temporal's web interface

A conversation is named by its workflow id, <platform>/<project>/<conversation>,
or by the conversation's own id alone if it is unique.

With --output json, standard output is one JSON document, or for a command that
follows conversations, one document a line. Remarks and errors go to standard error.

Exit codes: 0 done, 1 failed, 2 the command line or the configuration is at
fault, 3 a conversation failed, was cut off or needs an operator, or a build cannot
continue one, 4 there is no such
conversation or schedule, 5 a condition of report --fail-on holds, 130 interrupted
(143 by SIGTERM).

Try it:
  starter init
  starter doctor
  starter run --simulation sim_12 --wait
  starter list --status needs_attention
  starter watch
`

const runHelp = `run starts conversations without an inbox: those named, or all that wait in a
simulation, or all that wait for an agent. Starting one twice is harmless: one
that runs already continues unchanged.

Usage: starter run [CONVERSATION…] [flags]

The agent, its platform, executor and policy are the configuration's. --agent is
only needed if there are several. With --wait, run reports how each ends, and exits
with 3 if one failed, was cut off or needs attention.`

const runExample = `  starter run --simulation sim_12               everything that waits in it
  starter run cv_7 cv_8 --wait                  two, and how they end
  starter run --agent support --output json     everything that waits for an agent
  starter run cv_7 --simulation sim_12 --again  one that has run before`

const listHelp = `list lists conversations, the newest first, with the counts of all that match the
filters. It asks Temporal's visibility store, which may be a second behind.

Usage: starter list [flags]

Statuses: waiting (for capacity under max_open), claiming, talking, listening, paused, needs_attention,
needs_approval, ending; stranded (no worker can run it; list shows the version it waits for);
open and closed; waits_for_key (alone: no worker can read it, of the newest 500 open
ones and those that Temporal reports); broken (the workflow failed, timed out or was terminated).
Outcomes: ended, claim_lost, failed, cancelled, expired, budget_spent.`

const listExample = `  starter list --status needs_attention,stranded
  starter list --agent support --outcome failed --limit 0
  starter list --query "ParleyTurns > 20" --output json`

const showHelp = `show prints all about one conversation: its state, its messages, how it ended, why
it needs attention and what can be done. It needs no worker: without one, it reads
the workflow's history.

Usage: starter show CONVERSATION [flags]`

const showExample = `  starter show cv_7
  starter show cv_7 --turns
  starter show main/pr_1/cv_7 --output json`

const watchHelp = `watch follows one conversation and exits when it ends: with 0, or with 3 if it
failed or was cut off.

Without a conversation it shows all that are open, and those that ended in the
last hour, until interrupted. On a terminal it is a screen: the arrow keys choose
a conversation, keys resume it, answer for the agent, approve a tool call; "?"
lists them. Elsewhere it writes a line for each change.

Usage: starter watch [CONVERSATION] [flags]`

const watchExample = `  starter watch cv_7
  starter watch --agent support
  starter watch --output json | jq .status`

const uiHelp = `ui serves a web page on this machine: all conversations with filters and search, what
needs a person, with buttons to resume, take over, end, approve and deny, and each
conversation with its messages, turns, tokens and cost. The page follows changes.

Usage: starter ui [flags]

It prints the address, which has a token: only who has it can open the page. The
server listens on 127.0.0.1 alone, until it is interrupted. With filters it shows
the conversations that match.

--bundle writes the same pages as files, to share or to keep: without buttons, and
readable without a server or a network. They have the messages of all conversations.`

const uiExample = `  starter ui --open
  starter ui --read-only --port 8080
  starter ui --simulation sim_12
  starter ui --bundle pages --agent support`

const endHelp = `end ends conversations on their platform.

Usage: starter end CONVERSATION… [flags]
       starter end --all [filters] [--yes]`

const endExample = `  starter end cv_7 --reason "wrong prompt"
  starter end --all --simulation sim_12 --yes`

const pauseHelp = `pause stops conversations before their next step, until resume, takeover or end.
A running step is finished.

Usage: starter pause CONVERSATION… [flags]
       starter pause --all [filters] [--yes]

Inboxes are paused by: starter inbox pause`

const pauseExample = `  starter pause cv_7 --reason "looking into it"
  starter pause --all --agent support --yes`

const resumeHelp = `resume resumes conversations that are paused or need attention: the failed step
is retried.

Usage: starter resume CONVERSATION… [flags]
       starter resume --all [filters] [--yes]

--all resumes the conversations and inboxes that need attention. Those that an
operator has paused stay paused, unless --status paused is given.

A reply that the platform does not take fails again when it is sent again.
--new-reply drops it and asks the executor for another one. The results of its
tool calls stay. It is refused where the platform may have the reply.`

const resumeExample = `  starter resume cv_7
  starter resume cv_7 --executor fallback
  starter resume cv_7 --new-reply
  starter resume --all --yes
  starter resume --all --status paused --agent support`

const takeoverHelp = `takeover answers the next turn in the agent's place. It also resumes a conversation
that is paused or needs attention.

Usage: starter takeover CONVERSATION --text TEXT [flags]`

const takeoverExample = `  starter takeover cv_7 --text "Your refund is on its way."
  starter takeover cv_7 --text "Good bye." --end
  starter takeover cv_7 --text - < answer.txt`

const approveHelp = `approve decides on a tool call that waits for approval. Without a conversation it
lists all that wait, with all their arguments. A call without a decision in time is
not made, and the agent receives that as its result.

With a conversation it shows the call and asks. Scripts give --digest: the digest
names the tool and its arguments as they were listed, and nothing else is approved.

A call whose answer was lost waits too: the question is then whether it is made
again. Refused, the agent learns that its outcome is unknown.

Usage: starter approve
       starter approve CONVERSATION [--call CALL] [--digest DIGEST] [--yes]
       starter approve CONVERSATION [--call CALL] --deny [--reason TEXT]`

const approveExample = `  starter approve
  starter approve cv_7
  starter approve cv_7 --digest 369cc33449d557119f72d703d24c0dd3 --as ada
  starter approve cv_7 --call call_2 --deny --reason "too much"`

const eraseHelp = `erase deletes every run of conversations in Temporal, with all their messages, and
returns when they are gone. It says what it cannot delete. The erasure is recorded
with the operator's name, the time and the id, without a text.

Usage: starter erase CONVERSATION… [flags]
       starter erase --all [filters] [--older-than TIME] [flags]

Open conversations are refused, unless --end ends them first. A conversation that is
not over on its platform is refused too, because an inbox would start it again: the
platform is asked, unless the conversation ended regularly. --end ends it there.`

const eraseExample = `  starter erase cv_7 --dry-run
  starter erase cv_7 --end --as ada
  starter erase --all --older-than 30d --status closed --yes
  starter erase --all --query "ParleySimulation = 'sim_12'" --output json`

const inboxHelp = `inbox controls the inboxes: one workflow for each agent, which lists its assignments
and starts their conversations.

Usage: starter inbox COMMAND [AGENT…] [flags]

  status   state, counts, skipped conversations, last poll, last error; how many may
           be open, and why fewer than max_open while the platform has too much to do
  start    start it, or give it the settings of the configuration
  stop     end it; open conversations continue
  pause    claim no more conversations until resumed
  resume   continue after a pause or after a repair

An inbox that stopped claiming because of an error checks about every minute whether
it can continue. Only one that an operator has paused waits for resume.

Agents are named as in the configuration. Without a name, status shows all, and
the others take the only agent, or with --all every agent.`

const inboxExample = `  starter inbox status
  starter inbox pause support --reason "deploying"
  starter inbox resume --all`

const executorsHelp = `executors lists the executors in the order in which "auto" tries them, the reason
if one is not available, and the tool sets. It exits with 1 if none is available.

Usage: starter executors [flags]`

const executorsExample = `  starter executors
  starter executors --output json | jq '.executors[] | select(.available)'`

const initHelp = `init writes a commented parley.yaml for one platform, one executor and one agent, and
runs doctor on it. On a terminal it asks for what the flags do not say.

Keys are not asked for and not written: the file names the variable of the environment
that has each, and init lists those that are not set.

Usage: starter init [FILE] [flags]

FILE is what --config or PARLEY_CONFIG names, else parley.yaml. A file that exists is left alone, unless
--force is given. init exits as doctor does, with 1 if anything is wrong; the file stays.`

const initExample = `  starter init
  starter init --platform direct --executor TYPE --model MODEL support.yaml
  starter init --force && starter executors`

const doctorHelp = `doctor finds out what keeps Parley from working, and how to repair it: configuration,
Temporal, namespace, search attributes, workers, platforms and their keys,
executors, tools. It changes nothing. It exits with 1 if anything is wrong.

Usage: starter doctor [flags]`

const doctorExample = `  starter doctor
  starter doctor --output json | jq '.checks[] | select(.state == "wrong")'`

const setupHelp = `setup registers Parley's search attributes on the namespace. Existing ones
are left alone: it can be run at every deploy. With --retention it also sets how long
the namespace keeps conversations, with all their messages, after their end.

Usage: starter setup [flags]`

const setupExample = `  starter setup
  starter setup --retention 7d
  starter setup --temporal-address temporal:7233 --namespace parley`

const codecServerHelp = `codec-server decrypts payloads for Temporal's web interface, with the keys of the
section encryption of the configuration, until it is stopped. It does not encrypt.

Usage: starter codec-server [flags]

Set it in the web interface (the glasses icon, or TEMPORAL_CODEC_ENDPOINT of its server).
Only pages of --ui-origin may ask. With --token-file, the address to set there ends with
/token/<token>; programs may send "Authorization: Bearer <token>" instead. Elsewhere than on
this machine it requires a token, and TLS unless a proxy in front of it has TLS (--no-tls).`

const codecServerExample = `  starter codec-server --ui-origin http://localhost:8233
  starter codec-server --listen 0.0.0.0:8234 --ui-origin https://temporal.example.com \
    --token-file /run/secrets/codec --tls-cert cert.pem --tls-key key.pem
  temporal workflow show -w ID --codec-endpoint http://127.0.0.1:8234`
