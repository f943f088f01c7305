package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/platforms"
)

// help is the text of --help, with what the backends say about themselves.
func help(types config.Types) string {
	return strings.NewReplacer(
		"{{environment}}", exports(types),
		"{{platform}}", platformExample(types),
		"{{executor}}", executorExample(types),
		"{{executors}}", strings.Join(defaultNames(types), ", "),
	).Replace(helpText)
}

// environmentHelp is for a worker whose environment does not say, or not in full, where
// conversations come from.
func environmentHelp(types config.Types) string {
	var text strings.Builder
	for _, t := range described(types) {
		var required, other []string
		for _, v := range t.Environment {
			if v.Required {
				required = append(required, v.Name)
			} else {
				other = append(other, v.Name+" "+v.Text)
			}
		}
		_, _ = fmt.Fprintf(&text, "%s needs %s", t.Title, and(required))
		for _, one := range other {
			text.WriteString(", and " + one)
		}
		text.WriteString(".\n")
	}
	return text.String() +
		"Set those of one of them, or describe platforms and agents in parley.yaml: worker --help has an example. For a demonstration without any settings, run worker --dev."
}

func and(words []string) string {
	return strings.Replace(settings.Or(words), " or ", " and ", 1)
}

// described are the types that the environment can describe.
func described(types config.Types) []platforms.Type {
	return slices.DeleteFunc(slices.Clone(types.Platforms), func(t platforms.Type) bool { return len(t.Environment) == 0 })
}

// exports shows the variables of each type.
func exports(types config.Types) string {
	var text strings.Builder
	for i, t := range described(types) {
		if i == 0 {
			_, _ = fmt.Fprintf(&text, "For one agent on %s the environment is enough:\n\n", t.Title)
		} else {
			_, _ = fmt.Fprintf(&text, "For %s too:\n\n", t.Title)
		}
		for pair := range slices.Chunk(t.Environment, 2) {
			text.WriteString("    $ export")
			for _, v := range pair {
				value := v.Example
				if value == "" {
					value = "..."
				}
				text.WriteString(" " + v.Name + "=" + value)
			}
			text.WriteString("\n")
		}
		text.WriteString("    $ worker\n\n")
	}
	return text.String()
}

// platformExample is an entry of parley.yaml.
func platformExample(types config.Types) string {
	all := described(types)
	if len(all) == 0 {
		return "{type: ...}"
	}
	text := "{type: " + all[0].Name
	for _, v := range all[0].Environment {
		if v.Required && !v.Agent {
			text += fmt.Sprintf(", %s: \"${%s}\"", v.Setting, v.Name)
		}
	}
	return text + "}"
}

// executorExample is an entry of parley.yaml: that of a model with a key.
func executorExample(types config.Types) string {
	for _, d := range types.Executors {
		if !slices.ContainsFunc(d.Environment, func(v executors.Variable) bool { return v.Default != "" }) {
			continue
		}
		text := "{type: " + d.Type
		for _, v := range d.Environment {
			switch {
			case v.Default != "":
				text += fmt.Sprintf(", %s: %s", v.Setting, v.Default)
			case v.Name == d.If:
				text += fmt.Sprintf(", %s: \"${%s}\"", v.Setting, v.Name)
			}
		}
		return text + "}"
	}
	return "{type: ...}"
}

// defaultNames are the executors that there are without a file.
func defaultNames(types config.Types) []string {
	var names []string
	for _, d := range types.Executors {
		if !types.OfTasks(d.Type) && !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
	}
	return names
}

// helpText is written by hand: flags sorted by what they are for.
const helpText = `Usage: worker [flags]

Runs Parley's worker. It finds conversations newly assigned to your agent, runs
each as a Temporal workflow, and has an executor write the agent's replies.

{{environment}}For more agents and platforms, describe them in parley.yaml:

    platforms:
      main: {{platform}}
    executors:
      gpt: {{executor}}
    agents:
      support: {platform: main, project: pr_1, agent: ag_1, executor: gpt}
      sales: {platform: main, project: pr_1, agent: ag_2, executor: gpt}

To see it work with nothing set up at all: worker --dev

What it serves
  --config file             configuration ($PARLEY_CONFIG, then parley.yaml if it is there)
  --executor name           the executor, if there is no file: {{executors}}
                            or auto, the first of these that is available (auto)
  --task-queue name         Temporal task queue, overriding the file (parley)
  --no-inbox                run conversations, but open no inboxes for the agents

Temporal (otherwise from TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE ...)
  --temporal-address addr   host:port of the server (127.0.0.1:7233)
  --namespace name          namespace (default)
  --deployment-name name    worker versioning: name of the deployment; with --build-id
                            ($TEMPORAL_DEPLOYMENT_NAME)
  --build-id id             worker versioning: this build ($TEMPORAL_WORKER_BUILD_ID)
  --replay-check            a version that has no open workflows yet replays those of the
                            others before it starts, and exits with 3 if it cannot
                            continue one (true; false: it starts all the same)

How it runs
  --drain-timeout duration  on SIGTERM, how long running steps may take to end; the rest
                            is handed over to other workers (30s). A second signal stops
                            at once
  --until-idle duration     end by itself, with exit code 0, once nothing has been to do for
                            so long; 20s or more is advised (0: work until a signal)
  --max-runtime duration    end by itself, with exit code 0, so long after the start: drain
                            and hand over (0: work until a signal)
  --temporal-wait duration  at the start, how long to wait for a Temporal that does not
                            answer; /readyz says not ready meanwhile (5m; 0: not at all)
  --max-activities n        activities at once (400; with many more, heartbeats come too
                            late, and Temporal gives the activities to other workers)
  --max-pollers n           most polls that wait at Temporal at once, for workflows and
                            for activities each; their number grows with the load (50)
  --sticky-cache n          conversations kept in memory between events, about 60 KiB each
                            when idle; others are replayed (10000, so 600 MiB; fewer where
                            GOMEMLIMIT or a container has less than twice as much)
  --transcript-cache MiB    memory for transcripts; others are read from Temporal and
                            the platform (64)
  --health-addr host:port   /healthz, /readyz and /metrics; "" for none (127.0.0.1:8089).
                            They need no key: use an address that only you can reach
                            OTEL_METRICS_EXPORTER=otlp pushes metrics to the collector at
                            OTEL_EXPORTER_OTLP_ENDPOINT: see docs/observability.md
  --log-level level         debug, info, warn or error (info)
  --log-format format       text or json (text); logs go to stderr
  Traces are exported as OpenTelemetry's variables say, for instance
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 (docs/observability.md)

Demonstration
  --dev                     start Temporal, a simulator and a worker, all local, and show
                            the conversations
  --dev-conversations n     how many conversations
  --exit                    exit when all conversations have ended
  --output format           results as text or json (text)

  --version                 print the version and exit
  -h, --help                print this and exit

Exit codes: 0 stopped by a signal, --exit, --until-idle or --max-runtime, 1 failed while
running, 2 the command line or the configuration is at fault, 3 this build cannot
continue open workflows.
`
