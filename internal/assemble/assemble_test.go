package assemble_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
	"github.com/parley-run/parley/workflows"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		serveTools()
		return
	}
	goleak.VerifyTestMain(m)
}

func source(yaml string, env map[string]string) config.Source {
	return config.Source{
		Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if path == "parley.yaml" && yaml != "" {
				return []byte(yaml), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	}
}

var oneRun = map[string]string{
	"ONERUN_API_BASE_URL": "http://127.0.0.1:3001", "ONERUN_API_KEY": "k", "ONERUN_PROJECT_ID": "p1", "ONERUN_AGENT_ID": "a1",
}

func TestLoadFromEnvironment(t *testing.T) {
	t.Parallel()
	a, err := assemble.Load(source("", oneRun))
	require.NoError(t, err)
	instance := a.Platforms["onerun"]
	require.Equal(t, "onerun", instance.Name)
	require.Equal(t, onerun.DefaultSettle, instance.Settle)
	require.Equal(t, onerun.DefaultMaxOpen, instance.MaxOpen)
	require.False(t, instance.FixedMaxOpen)
	require.Equal(t, []workflows.InboxInput{{
		Platform: "onerun", Project: "p1", Agent: "a1",
		Settings: workflows.InboxSettings{AgentName: "a1", Policy: conversation.Policy{Executor: "auto"}, Interval: config.DefaultPollInterval},
	}}, a.Inboxes)
	name, _, err := a.Executors.Resolve(t.Context(), "auto")
	require.NoError(t, err)
	require.Equal(t, "scripted", name)
}

func TestLoadFromFile(t *testing.T) {
	t.Parallel()
	a, err := assemble.Load(source(`
platforms:
  main: {type: onerun, base_url: "http://127.0.0.1:1", api_key: "${KEY}", settle: 0s, max_open: 0, back_pressure: false, adopt_after: 1h}
executors:
  script: {type: scripted, latency: 1ms}
agents:
  support: {project: p1, agent: a1, executor: script, max_turns: 3}
`, map[string]string{"KEY": "k"}))
	require.NoError(t, err)
	require.Zero(t, a.Platforms["main"].Settle)
	require.Zero(t, a.Platforms["main"].MaxOpen)
	require.True(t, a.Platforms["main"].FixedMaxOpen)
	require.Equal(t, workflows.InboxSettings{
		AgentName: "support", Policy: conversation.Policy{Executor: "script", MaxTurns: 3},
		Interval: config.DefaultPollInterval, AdoptAfter: time.Hour,
	}, a.Inboxes[0].Settings)
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := assemble.Load(source(`
platforms:
  main:
    type: onerun
    base_url: localhost:3001
    api_key: sk-12345
    response_timeout: 2
    opening: nobody
  other: {type: twoerun}
  third: {base_url: "http://x"}
executors:
  gpt: {type: openai, temprature: 1, api_key: "${OPENAI_API_KEY:-}"}
  script: {type: scripted, script: gone.yaml}
agents:
  support: {platform: main, executor: gtp}
  hasty: {platform: fourth, project: p, agent: a, exchange_timeout: 1m}
`, nil))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "sk-12345")
	require.Equal(t, []string{
		`parley.yaml:5: platforms.main.base_url is "localhost:3001", which is no http:// or https:// address: write it in full, such as http://localhost:3001`,
		"parley.yaml:6: platforms.main.api_key is written out: keep secrets out of the file, write ${MAIN_API_KEY} or ${file:/path/to/it}",
		`parley.yaml:7: platforms.main.response_timeout is "2": write a duration with its unit, such as 500ms, 90s or 2m`,
		`parley.yaml:8: platforms.main.opening is "nobody": use "persona" or "agent"`,
		`parley.yaml:9: platforms.other.type is "twoerun": write one of direct, iii, onerun, pulse`,
		"parley.yaml:10: platforms.third.type is missing: write one of direct, iii, onerun, pulse",
		"parley.yaml:12: executors.gpt.temprature is no setting of openai: did you mean temperature?",
		"parley.yaml:12: executors.gpt.model is empty: name the model to ask",
		"parley.yaml:13: executors.script.script cannot be read: open gone.yaml: file does not exist",
		`parley.yaml:15: agents.support.executor is "gtp", which is not among the executors: did you mean gpt?`,
		"parley.yaml:15: agents.support.project is missing: write the id of the project on onerun",
		"parley.yaml:15: agents.support.agent is missing: write the id of the agent on onerun",
		`parley.yaml:16: agents.hasty.platform is "fourth", which is not among the platforms: there are main, other, third`,
	}, strings.Split(strings.ReplaceAll(err.Error(), "no such file or directory", "file does not exist"), "\n"))
}

func TestFaultsOfTheEnvironmentNameVariables(t *testing.T) {
	t.Parallel()
	env := map[string]string{"ONERUN_API_BASE_URL": "http://127.0.0.1:3001/v1", "ONERUN_API_KEY": "a\nb", "ONERUN_AGENT_ID": "a1"}
	_, err := assemble.Load(source("", env))
	require.Error(t, err)
	require.Equal(t, []string{
		"ONERUN_PROJECT_ID is not set: the id of the project in OneRun",
		"ONERUN_API_BASE_URL contains /v1, which is added by itself: write http://127.0.0.1:3001",
		"ONERUN_API_KEY contains a line break or a character no header can carry: check where it is read from",
	}, strings.Split(err.Error(), "\n"))
}

func TestTooShortToSendAgain(t *testing.T) {
	t.Parallel()
	_, err := assemble.Load(source(`
platforms:
  main: {type: onerun, base_url: "http://127.0.0.1:1", api_key: "${KEY}", settle: 1m, response_timeout: 30s}
agents:
  support: {project: p1, agent: a1, exchange_timeout: 1m}
`, map[string]string{"KEY": "k"}))
	require.EqualError(t, err, "parley.yaml:5: agents.support.exchange_timeout is 1m0s, which is too short to wait for a lost message "+
		"(settle, 1m0s) and send it again (response_timeout, 30s): write 1m30s or more")
}

func TestTooShortToAnswer(t *testing.T) {
	t.Parallel()
	load := func(agent string) error {
		_, err := assemble.Load(source(`
platforms:
  main: {type: onerun, base_url: "http://127.0.0.1:1", api_key: "${KEY}"}
executors:
  quick: {type: openai, model: m}
  slow: {type: openai, model: m, timeout: 11m}
  chain: {type: failover, links: [quick, inner]}
  inner: {type: failover, links: [slow]}
agents:
  support: `+agent+"\n", map[string]string{"KEY": "k"}))
		return err
	}
	const want = "parley.yaml:10: agents.support.reply_timeout is 5m0s, which is too short for executors.slow: its timeout is 11m0s, " +
		"and time to record the answer comes on top. Write 11m10s or more, or lower that"
	for _, executor := range []string{"slow", "chain", "auto", "quick, executors: [slow]"} {
		require.EqualError(t, load("{project: p1, agent: a1, executor: "+executor+"}"), want, executor)
	}
	require.NoError(t, load("{project: p1, agent: a1, executor: chain, reply_timeout: 11m10s}"))
	require.NoError(t, load("{project: p1, agent: a1, executor: quick, reply_timeout: 1m}"), "the default is no promise")
}

// checked is a platform that only answers Check.
type checked struct {
	platforms.Conversations
	platforms.Source
	err func(project, agent string) error
}

func (c checked) Check(_ context.Context, project, agent string) error { return c.err(project, agent) }

func TestCheck(t *testing.T) {
	t.Parallel()
	failing := func(kind conversation.Kind, text string) error {
		return &conversation.Error{Kind: kind, Op: "fake: check", Err: errors.New(text), Remedy: "repair it"}
	}
	backends := assemble.Builtin()
	backends.Platforms = []assemble.PlatformType{{Type: platforms.Type{Name: "fake", New: func(p platforms.Settings) (platforms.Instance, error) {
		return platforms.Instance{Platform: checked{err: func(project, agent string) error {
			switch {
			case p.Name() == "down":
				return failing(conversation.Unavailable, "connection refused")
			case p.Name() == "locked":
				return failing(conversation.Unauthorized, "wrong key")
			case agent == "gone":
				return errors.Join(failing(conversation.NotFound, "no project "+project), failing(conversation.NotFound, "no agent "+agent))
			}
			return nil
		}}}, nil
	}}}}
	a, err := assemble.LoadWith(source(`
platforms:
  down: {type: fake}
  locked: {type: fake}
  up: {type: fake}
agents:
  a: {platform: down, agent: a}
  b: {platform: down, agent: b}
  c: {platform: locked, agent: a}
  d: {platform: locked, agent: b}
  e: {platform: up, project: p, agent: gone}
  f: {platform: up, agent: here}
`, nil), backends)
	require.NoError(t, err)
	warnings, faults := a.Check(t.Context())
	require.EqualError(t, faults, strings.Join([]string{
		"parley.yaml:4: platforms.locked: fake: check: wrong key (repair it)",
		"parley.yaml:11: agents.e: fake: check: no project p (repair it)",
		"parley.yaml:11: agents.e: fake: check: no agent gone (repair it)",
	}, "\n"))
	require.Len(t, warnings, 1)
	require.EqualError(t, warnings[0], `platform "down": fake: check: connection refused (repair it)`)
}

func TestExecutorsOfOnesOwn(t *testing.T) {
	t.Parallel()
	backends := assemble.Builtin()
	backends.Executors = append(backends.Executors, assemble.ExecutorType{Name: "echo", New: func(config.Executor, assemble.Process) (assemble.Executor, error) {
		return assemble.Executor{}, fmt.Errorf("out of order")
	}})
	_, err := assemble.LoadWith(source(`
platforms:
  main: {type: onerun, base_url: "http://127.0.0.1:1", api_key: "${KEY}"}
executors:
  mine: {type: echo}
agents:
  support: {project: p1, agent: a1}
`, map[string]string{"KEY": "k"}), backends)
	require.EqualError(t, err, "parley.yaml:5: executors.mine: out of order")
}
