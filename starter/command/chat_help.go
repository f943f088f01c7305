package command

const chatHelp = `chat exchanges messages with an agent, without a platform. The conversation is a
workflow: it outlives this command, workers and servers, and can be continued.

Usage: starter chat [AGENT] [--id ID | --resume ID] [flags]

The agent, its executor and its policy are the configuration's; its name is only
needed if there are several. Without a configuration the agent is called "agent",
and the worker's first available executor answers.

A line that ends in \ continues on the next one, and so does pasted text; lines
between """ are one message. /help lists the commands. Ctrl-C stops waiting for a
reply; at the prompt it leaves, as Ctrl-D does: the conversation continues.

If the input is no terminal, each line of it is a message, and the replies go
to standard output.`

const chatExample = `  starter chat
  starter chat support --executor small
  starter chat support --resume k3jf7q2mzx4a
  starter chat support -o json < questions.txt > answers.jsonl`

const sendHelp = `send sends one message to an agent and prints the reply. For a safe retry, choose
both ids yourself: a message that was sent before, by its --message-id in the
conversation --id, gets the same reply again, and the agent receives it once.

Usage: starter send [AGENT] TEXT|- [flags]

TEXT - is read from standard input. Without --id and --resume a new conversation
begins, and its id is printed to standard error.

It waits as long as the agent takes, or for --timeout, but no longer than 15s
while no worker answers. It exits with 1 if there is no reply yet
(send it again, with the same ids), with 3 if the conversation has ended, is
paused or needs attention or approval, with 4 if there is none to resume.`

const sendExample = `  starter send support "Where is my order?"
  starter send support --id order-17 --message-id 1 "Where is my order?"
  starter send support --resume order-17 --message-id 2 - < answer.txt
  starter send --data '{"order": 17}' "Summarise this" --end -o json | jq -r .text`
