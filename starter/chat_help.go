package main

const chatHelp = `chat talks with an agent, without any platform. The conversation is a workflow: it
outlives this command, workers and servers, and can be gone on with.

Usage: starter chat [AGENT] [--id ID | --resume ID] [flags]

The agent, its executor and its policy are the configuration's; its name is only
needed where there are several. Without any configuration the agent is called
"agent", and the first executor speaks that the worker has.

A line that ends in \ goes on, and so does what is pasted; lines between """ are
one message. /help lists the commands. Ctrl-C stops waiting for a reply; at the
prompt it leaves, as Ctrl-D does: the conversation goes on.

Where the input is no terminal, each line of it is a message, and the replies go
to standard output.`

const chatExample = `  starter chat
  starter chat support --executor small
  starter chat support --resume k3jf7q2mzx4a
  starter chat support -o json < questions.txt > answers.jsonl`

const sendHelp = `send says one thing to an agent and prints the reply. To be sure of a retry, choose
both ids yourself: a message that was sent before, by its --message-id in the
conversation --id, gets the reply it had then, and the agent hears it once.

Usage: starter send [AGENT] TEXT|- [flags]

TEXT - is read from standard input. Without --id and --resume a conversation
begins, whose id is printed to standard error.

It waits for as long as the agent takes, or --timeout if that is given, but for no
more than 15s while no worker answers. It exits with 1 if there is no reply yet
(send it again, with the same ids), with 3 if the conversation is over or waits
for a person, with 4 if there is none to resume.`

const sendExample = `  starter send support "Where is my order?"
  starter send support --id order-17 --message-id 1 "Where is my order?"
  starter send support --resume order-17 --message-id 2 - < answer.txt
  starter send --data '{"order": 17}' "Summarise this" --end -o json | jq -r .text`
