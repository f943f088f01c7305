package main

// help is written by hand: flags sorted by what they are for.
const help = `Usage: worker [flags]

Runs Parley's worker. It finds conversations newly assigned to your agent, runs
each as a Temporal workflow, and lets an executor speak for the agent.

For one agent on OneRun the environment is enough:

    $ export ONERUN_API_BASE_URL=http://localhost:3001 ONERUN_API_KEY=...
    $ export ONERUN_PROJECT_ID=... ONERUN_AGENT_ID=...
    $ worker

For a RunAgent Pulse too:

    $ export PULSE_SERVER_URL=http://localhost:8000 PULSE_API_KEY=...
    $ worker

For more agents and platforms, describe them in parley.yaml:

    platforms:
      main: {type: onerun, base_url: "${ONERUN_API_BASE_URL}", api_key: "${ONERUN_API_KEY}"}
    executors:
      gpt: {type: openai, model: gpt-4.1-mini, api_key: "${OPENAI_API_KEY}"}
    agents:
      support: {platform: main, project: pr_1, agent: ag_1, executor: gpt}
      sales: {platform: main, project: pr_1, agent: ag_2, executor: gpt}

To see it work with nothing set up at all: worker --dev

What it serves
  --config file             configuration ($PARLEY_CONFIG, then parley.yaml if it is there)
  --executor name           who speaks, where there is no file: scripted, openai, or auto:
                            openai if OPENAI_API_KEY is set, scripted otherwise (auto)
  --task-queue name         Temporal task queue, overriding the file (parley)
  --no-inbox                run conversations, but open no inboxes for the agents

Temporal (otherwise from TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE ...)
  --temporal-address addr   host:port of the server (127.0.0.1:7233)
  --namespace name          namespace (default)
  --deployment-name name    worker versioning: name of the deployment; with --build-id
  --build-id id             worker versioning: this build

How it runs
  --drain-timeout duration  on SIGTERM, time for work under way to end; what is left is
                            handed over (30s). A second signal stops at once
  --temporal-wait duration  at the start, how long to wait for a Temporal that does not
                            answer; /readyz says not ready meanwhile (5m; 0: not at all)
  --max-activities n        activities at once (400: with many more, Temporal hears too
                            late from some, and begins their work again elsewhere)
  --max-pollers n           requests for work that wait at Temporal at most, for workflows
                            and for activities each; they grow with the work (50)
  --sticky-cache n          conversations kept in memory between events, about 60 KiB each
                            when idle (2000, so 120 MiB); others are replayed
  --transcript-cache MiB    memory for transcripts; what is not there is asked of
                            Temporal and the platform (64)
  --health-addr host:port   /healthz, /readyz and /metrics; "" for none (127.0.0.1:8089).
                            There is no key: keep to addresses that only you reach
  --log-level level         debug, info, warn or error (info)
  --log-format format       text or json (text); logs go to stderr

Demonstration
  --dev                     start Temporal, a simulator and a worker, all local, and show
                            conversations go by
  --dev-conversations n     how many of them
  --exit                    exit when they are over
  --output format           results as text or json (text)

  --version                 print the version and exit
  -h, --help                print this and exit

Exit codes: 0 stopped in order, 1 failed while running, 2 command line or configuration.
`
