package command

const scheduleHelp = `schedule runs agents at set times, without a platform: Temporal keeps the times, and
any worker executes the runs. Each run is a conversation of one turn.

Usage: starter schedule COMMAND [NAME] [flags]

  create    create a schedule
  list      list all: next run, last run and its result
  show      show one: its times, its task, its newest runs and their results
  run       run it now; --wait waits for the result
  pause     let its times pass without a run
  resume    run it again from its next time on
  update    change its times or its task
  backfill  run it for times that have passed
  delete    delete it; its open runs continue`

const scheduleExample = `  starter schedule create report --agent support --every "weekday at 9am" --message "Write the report."
  starter schedule list
  starter schedule run report --wait`

const scheduleCreateHelp = `create creates a schedule, and prints its next run. Give its times as exactly one of:

  --cron "0 9 * * 1-5"  may be given several times. 5 fields: minute, hour, day of
                        the month, month, day of the week; a 6th is the year; of 7
                        the first is the second. Both days must match.
  --every 30m           an interval: 90s, 2d, 1w, "2 hours"; or "day at 9am",
                        "weekday at 18:30", "monday at 9"
  --at "tomorrow at 9"  once: "now", 90s, "in 5 minutes", "next monday at 9",
                        "2030-01-02 03:04", or RFC 3339

Times of day are in UTC, or in --timezone.

Usage: starter schedule create NAME --agent AGENT [flags]

The task is a JSON object, --payload, to which the other flags add. The agent receives
its message and its params. @FILE reads a file, @- standard input.

The agent's executor and policy are the configuration's, as they are now. Without a
configuration the agent may have any name, and the worker's first available executor
answers.`

const scheduleCreateExample = `  starter schedule create report --agent support --cron "0 9 * * 1-5" --timezone Europe/Berlin --message "Write the report."
  starter schedule create sync --agent support --every 30m --params '{"full": false}' --overlap skip
  starter schedule create reminder --agent support --at "in 2 hours" --message "Remind them." --callback https://example.com/done`

const scheduleListHelp = `list lists Parley's schedules, by name. It asks Temporal's visibility store,
which may be a second behind.

Usage: starter schedule list [flags]`

const scheduleShowHelp = `show prints all about one schedule: its times, its task, its next 5 times, its 10
newest runs and their results.

Usage: starter schedule show NAME [flags]`

const schedulePauseHelp = `pause lets the times of a schedule pass without a run, until resume. Open runs
continue.

Usage: starter schedule pause NAME [--note TEXT]`

const scheduleResumeHelp = `resume lets a schedule run again from its next time on. Missed times are not run:
starter schedule backfill does that.

Usage: starter schedule resume NAME [--note TEXT]`

const scheduleDeleteHelp = `delete deletes a schedule. Its open runs continue, and results stay readable with
starter show until Temporal's retention removes them.

Usage: starter schedule delete NAME [--yes]`

const scheduleRunHelp = `run starts a run now, beside open runs, paused or not, and prints its workflow id. It
does not count for --times. With --wait it prints the result, and exits with 3 if the
run failed or needs attention.

Usage: starter schedule run NAME [--wait] [flags]`

const scheduleBackfillHelp = `backfill runs a schedule now for its times from --from to --to, both included,
whether or not it ran then. Each run receives the time it was due at.

Usage: starter schedule backfill NAME --from TIME --to TIME [--overlap WAY]

Times are written as with create --at, in the schedule's time zone. The runs are
simultaneous, or with --overlap buffer-all one after the other.`

const scheduleUpdateHelp = `update changes the times or the task of a schedule. A value that is not given stays;
--payload replaces the whole payload. Given --agent, the agent's executor and policy
are taken from the configuration anew. Open runs are not affected.

Usage: starter schedule update NAME [flags]`

const scheduleUpdateExample = `  starter schedule update report --cron "0 10 * * 1-5"
  starter schedule update report --message "Write a short report."`
