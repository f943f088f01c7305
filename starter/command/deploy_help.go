package command

const deployHelp = `deploy makes a build of the worker the current version of its deployment. It waits
for workers of the build, has one of them replay open workflows, and stops if the
build cannot continue one. Then the build gets the work of all conversations that are
not pinned to another, at once or in the steps of --ramp.

To go back, deploy the older build. Workers of the build are waited for as long as
--timeout says (5m). An interrupted ramp stays where it is, and deploy says so.

Usage: starter deploy --build-id BUILD [flags]

Exit codes: 3 if the build cannot continue an open workflow; others as usual.`

const deployExample = `  starter deploy --build-id v7                        all at once
  starter deploy --build-id v7 --ramp 10,50 --hold 5m  in steps
  starter deploy --build-id v7 --wait                  until older workers can be stopped
  starter deploy --build-id v6                         back again`

const moveHelp = `move lets conversations continue on the current version of the worker that are
pinned to another one, such as a version whose workers are gone. A worker of the
current version replays them first: those that it cannot continue stay where they are.
The move is recorded in the conversation's history.

Usage: starter move CONVERSATION… [flags]
       starter move --all [filters] [--yes]

With --all, without a filter: those that no worker can run (--status stranded).`

const moveExample = `  starter move cv_7 --reason "v3 is gone"
  starter move --all --yes
  starter move --all --agent support --status open`
