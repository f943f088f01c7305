package main

const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalNonPersistentFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasExample}}
Examples:
{{.Example}}
{{end}}{{if .HasParent}}
Flags of every command: starter --help
{{else}}
Flags of every command:
{{.PersistentFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}`

const rootHelp = `starter starts, watches and steers Parley's conversations.

Usage: starter COMMAND [flags]

Conversations:
  run        start conversations: named ones, or all of a simulation
  list       list conversations, the newest first
  show       show one conversation: where it stands and what was said
  watch      follow a conversation as it happens, or all that run
  end        end conversations on their platform
  pause      hold conversations before their next step
  resume     go on with conversations that are paused or wait for a person
  takeover   answer in the agent's stead
  chat       talk with an agent, without any platform
  send       say one thing to an agent, and print the reply
  approve    list the tool calls that wait for a person, and decide on them

Agents:
  inbox      status, start, stop, pause, resume: who looks for new conversations
  schedule   create, list, show, run, pause, resume, update, backfill, delete: runs at set times
  executors  list what can speak for the agents, and why it cannot

Installation:
  doctor     find out what is wrong, and how to mend it
  setup      register the search attributes on the namespace

A conversation is named by its workflow id, <platform>/<project>/<conversation>,
or by the conversation's own id alone where only one goes by it.

With --output json, standard output is one JSON document, or, of commands that go
on, one a line. Remarks and errors go to standard error.

Exit codes: 0 done, 1 something went wrong, 2 the command line or the
configuration is at fault, 3 a conversation failed, was cut off or waits for a
person, 4 there is no such conversation or schedule, 130 interrupted (143 by SIGTERM).

Try it:
  starter doctor
  starter run --simulation sim_12 --wait
  starter list --status needs_attention
  starter watch
`

const runHelp = `run starts conversations without an inbox: those named, or all that wait in a
simulation, or all that wait for an agent. Starting one twice is harmless: the
one that runs is left alone.

Usage: starter run [CONVERSATION…] [flags]

The agent, its platform, executor and policy are the configuration's. --agent is
only needed where there are several. With --wait, run tells how each ends, and
exits with 3 if one failed, was cut off or waits for a person.`

const runExample = `  starter run --simulation sim_12               everything that waits in it
  starter run cv_7 cv_8 --wait                  two, and how they end
  starter run --agent support --output json     everything that waits for an agent
  starter run cv_7 --simulation sim_12 --again  one that has run before`

const listHelp = `list lists conversations, the newest first, with counts of all that the filters
choose. It asks Temporal's visibility store, which may be a second behind.

Usage: starter list [flags]

Statuses: waiting (for a place under max_open), claiming, talking, listening, paused, needs_attention,
needs_approval, ending; open and closed; broken (the workflow failed, timed out or was terminated).
Outcomes: ended, claim_lost, failed, cancelled, expired, budget_spent.`

const listExample = `  starter list --status needs_attention
  starter list --agent support --outcome failed --limit 0
  starter list --query "ParleyTurns > 20" --output json`

const showHelp = `show tells all about one conversation: where it stands, what was said, how it
ended, why it waits for a person and what can be done. It needs no worker: what
none answers is read from the workflow's history.

Usage: starter show CONVERSATION [flags]`

const showExample = `  starter show cv_7
  starter show onerun/pr_1/cv_7 --output json`

const watchHelp = `watch follows one conversation as it happens and exits when it ends: with 0, or
with 3 if it failed or was cut off. Without a conversation it shows all that run,
until interrupted.

Usage: starter watch [CONVERSATION] [flags]`

const watchExample = `  starter watch cv_7
  starter watch --agent support
  starter watch --output json | jq .status`

const endHelp = `end ends conversations on their platform.

Usage: starter end CONVERSATION… [flags]
       starter end --all [filters] [--yes]`

const endExample = `  starter end cv_7 --reason "wrong prompt"
  starter end --all --simulation sim_12 --yes`

const pauseHelp = `pause holds conversations before their next step, until resume, takeover or end.
What is being said goes through.

Usage: starter pause CONVERSATION… [flags]
       starter pause --all [filters] [--yes]

Inboxes are paused by: starter inbox pause`

const pauseExample = `  starter pause cv_7 --reason "looking into it"
  starter pause --all --agent support --yes`

const resumeHelp = `resume goes on with conversations that are paused or wait for a person: what
failed is tried again.

Usage: starter resume CONVERSATION… [flags]
       starter resume --all [filters] [--yes]

With --all, those that wait for a person go on, and the inboxes that do. Those
that a person has paused stay so, unless --status paused asks for them.`

const resumeExample = `  starter resume cv_7
  starter resume cv_7 --executor fallback
  starter resume --all --yes
  starter resume --all --status paused --agent support`

const takeoverHelp = `takeover answers the next turn in the agent's stead. A conversation that is paused
or waits for a person goes on with it.

Usage: starter takeover CONVERSATION --text TEXT [flags]`

const takeoverExample = `  starter takeover cv_7 --text "Your refund is on its way."
  starter takeover cv_7 --text "Good bye." --end
  starter takeover cv_7 --text - < answer.txt`

const approveHelp = `approve decides on a tool call that waits for a person. Without a conversation it
lists all that wait. A call that nobody decides on in time is not made, and the
agent is told so.

Usage: starter approve
       starter approve CONVERSATION [--call CALL] [--deny [--reason TEXT]]`

const approveExample = `  starter approve
  starter approve cv_7
  starter approve cv_7 --call call_2 --deny --reason "too much"`

const inboxHelp = `inbox is about who looks for new conversations: one workflow for each agent.

Usage: starter inbox COMMAND [AGENT…] [flags]

  status   where each stands: state, counts, what it skips, last poll, last error
  start    start it, or hand it the settings of the configuration
  stop     end it; conversations that run go on
  pause    claim nothing more until resumed
  resume   go on, after a pause or once what was wrong is repaired

An inbox that stopped claiming because of an error finds out by itself, about every
minute, whether it can go on. Only one that a person has paused waits for resume.

Agents are named as in the configuration. Without a name, status shows all, and
the others take the only agent there is, or with --all every one.`

const inboxExample = `  starter inbox status
  starter inbox pause support --reason "deploying"
  starter inbox resume --all`

const executorsHelp = `executors lists what can speak for the agents, in the order in which "auto" tries
them, with the reason where one cannot, and the sets of tools they may use. It
exits with 1 if none can speak.

Usage: starter executors [flags]`

const executorsExample = `  starter executors
  starter executors --output json | jq '.executors[] | select(.available)'`

const doctorHelp = `doctor finds out what keeps Parley from working, and how to mend it: configuration,
Temporal, namespace, search attributes, workers, platforms and their keys,
executors, tools. It changes nothing. It exits with 1 if anything is wrong.

Usage: starter doctor [flags]`

const doctorExample = `  starter doctor
  starter doctor --output json | jq '.checks[] | select(.state == "wrong")'`

const setupHelp = `setup registers Parley's search attributes on the namespace. Those that are there
already are left alone: it can be run at every deploy.

Usage: starter setup [flags]`

const setupExample = `  starter setup
  starter setup --temporal-address temporal:7233 --namespace parley`
