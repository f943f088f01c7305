package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/secret"
)

// source is a parley.yaml with an environment and files.
func source(yaml string, env, files map[string]string) config.Source {
	return config.Source{
		Types:  assemble.Builtin().Types(),
		Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if path == "parley.yaml" && yaml != "" {
				return []byte(yaml), nil
			}
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	}
}

const whole = `
task_queue: talks
platforms:
  main:
    type: onerun
    base_url: ${ONERUN_API_BASE_URL}
    api_key: ${ONERUN_API_KEY}
    settle: 10s
    max_open: ${MAX_OPEN:-3}
    poll_interval: 1s
    adopt_after: 1h
  other: {type: onerun, base_url: "http://other:${PORT:-3001}", api_key: "${file:keys/other}"}
executors:
  gpt: {type: openai, api_key: "${OPENAI:-}", model: m}
  script: {type: scripted}
agents:
  support: &support
    platform: main
    project: p1
    agent: a1
    executor: gpt
    on_exhausted: end
    max_turns: 4
    reply_timeout: 1m
    reply_attempts: 3
    exchange_timeout: 7m
    on_ambiguous: resend
    max_message_bytes: 4096
    on_oversize: park
    on_length: continue
    omitted_text: (earlier messages were left out)
    platform_attempts: 5
    budget: {tokens: 200000, money: 0.50}
  sales: {<<: *support, agent: a2, max_turns: null, budget: {on_spent: park}}
  elsewhere: {platform: other, project: "$${p}", agent: a1}
`

func TestLoad(t *testing.T) {
	t.Parallel()
	env := map[string]string{"ONERUN_API_BASE_URL": "http://one:3001", "ONERUN_API_KEY": "s3cret"}
	c, err := config.Load(source(whole, env, map[string]string{"keys/other": "0ther\n"}))
	require.NoError(t, err)

	require.Equal(t, "parley.yaml", c.From())
	require.Equal(t, "talks", c.TaskQueue)
	require.Len(t, c.Platforms, 2)
	main := c.Platforms[0]
	require.Equal(t, "main", main.Name)
	require.Equal(t, 10*time.Second, *main.Settle)
	require.Equal(t, 3, *main.MaxOpen)
	require.Equal(t, time.Second, main.PollInterval)
	require.Equal(t, time.Hour, main.AdoptAfter)
	other, ok := c.Platform("other")
	require.True(t, ok)
	require.Nil(t, other.Settle)
	require.Nil(t, other.MaxOpen)
	require.Equal(t, config.DefaultPollInterval, other.PollInterval)

	require.Equal(t, "gpt", c.Executors[0].Name)
	require.Equal(t, "scripted", c.Executors[1].Type)

	require.Equal(t, conversation.Policy{
		Executor: "gpt", OnExhausted: conversation.EndConversation, MaxTurns: 4, ReplyTimeout: time.Minute, ReplyAttempts: 3,
		ExchangeTimeout: 7 * time.Minute, PlatformAttempts: 5,
		OnAmbiguous: conversation.ResendAmbiguous, MaxMessageBytes: 4096, OnOversize: conversation.ParkOversize,
		OnLength: conversation.ContinueCutOff, OmittedText: "(earlier messages were left out)",
		MaxTokens: 200_000, MaxCost: 500_000, OnSpent: conversation.EndConversation,
	}, c.Agents[0].Policy)
	require.Equal(t, conversation.Park, c.Agents[1].Policy.OnSpent)
	require.Empty(t, c.Agents[2].Policy.OnSpent)
	require.Equal(t, "a2", c.Agents[1].Agent)
	require.Equal(t, "p1", c.Agents[1].Project)
	require.Zero(t, c.Agents[1].Policy.MaxTurns)
	require.Equal(t, "${p}", c.Agents[2].Project)
	require.Equal(t, "auto", c.Agents[2].Policy.Executor)

	var settings struct {
		BaseURL string        `yaml:"base_url"`
		APIKey  secret.String `yaml:"api_key"`
	}
	require.NoError(t, main.Settings.Decode(&settings, "onerun"))
	require.Equal(t, "http://one:3001", settings.BaseURL)
	require.Equal(t, "s3cret", settings.APIKey.Reveal())
	require.NoError(t, other.Settings.Decode(&settings, "onerun"))
	require.Equal(t, "http://other:3001", settings.BaseURL)
	require.Equal(t, "0ther", settings.APIKey.Reveal())
}

func TestNoSecretIsPrinted(t *testing.T) {
	t.Parallel()
	env := map[string]string{"ONERUN_API_BASE_URL": "http://one:3001", "ONERUN_API_KEY": "s3cret", "OPENAI": "s3cret"}
	c, err := config.Load(source(whole, env, map[string]string{"keys/other": "s3cret"}))
	require.NoError(t, err)
	asJSON, err := json.Marshal(c)
	require.NoError(t, err)
	for _, text := range []string{
		fmt.Sprintf("%v", c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c),
		fmt.Sprintf("%+v", *c), fmt.Sprintf("%#v", c.Platforms[0]), fmt.Sprintf("%d", c.Platforms[0].Settings),
		fmt.Sprintf("%+v", c.Agents), fmt.Sprintf("%#v", c.Agents[0]), string(asJSON),
	} {
		require.NotContains(t, text, "s3cret")
	}
}

// valid is the least a file must say, for cases that spoil one thing.
const valid = `platforms:
  main: {type: onerun, base_url: "http://one:3001", api_key: "${KEY}"}
agents:
  support: {project: p1, agent: a1}
`

func TestFaults(t *testing.T) {
	t.Parallel()
	env := map[string]string{"KEY": "s3cret"}
	cases := []struct {
		name, yaml string
		want       []string
	}{
		{"None", valid, nil},
		{"Empty", " ", []string{"parley.yaml: is empty: name platforms and agents in it"}},
		{"OnlyComments", "# later\n", []string{"parley.yaml: is empty: name platforms and agents in it"}},
		{"Null", "~", []string{"parley.yaml: is empty: name platforms and agents in it"}},
		{"Syntax", "platforms:\n\tmain: {}\n", []string{"parley.yaml:2: not valid YAML: found character that cannot start any token"}},
		{"List", "- a\n", []string{"parley.yaml:1: must be a mapping with the keys task_queue, platforms, executors and agents"}},
		{"TwoDocuments", valid + "---\na: b\n", []string{"parley.yaml:5: a second document begins here: one file holds one configuration, take out the line ---"}},
		{"NothingInIt", "task_queue: x\n", []string{
			"parley.yaml: platforms is missing: name at least one platform, such as main: {type: onerun, base_url: …, api_key: …}",
			"parley.yaml: agents is missing: name at least one agent, such as support: {platform: main, project: …, agent: …}",
		}},
		{"UnknownSection", valid + "agent: {}\n", []string{"parley.yaml:5: agent is no section of the file: did you mean agents?"}},
		{"WrongSection", "platforms: [main]\n" + valid[strings.Index(valid, "agents"):], []string{
			"parley.yaml: platforms is missing: name at least one platform, such as main: {type: onerun, base_url: …, api_key: …}",
			"parley.yaml:1: platforms is a list: it must be a mapping from names to settings",
		}},
		{"BadName", valid + "  a/b: {agent: x}\n", []string{"parley.yaml:5: agents.a/b is no usable name: use letters, digits, and . _ - between them"}},
		{"NoSettings", valid + "  b:\n", []string{"parley.yaml:5: agents.b has no settings: write them below it, or take the name out"}},
		{"Twice", valid + "  support: {agent: x}\n", []string{"parley.yaml:5: agents.support stands there twice: keep one"}},
		{"UnknownAgentSetting", valid + "  b: {agent: x, projekt: y, colour: red}\n", []string{
			"parley.yaml:5: agents.b.projekt is no setting of an agent: did you mean project?",
			"parley.yaml:5: agents.b.colour is no setting of an agent: there are agent, approval_timeout, budget, exchange_timeout, executor, executors, max_message_bytes, max_turns, omitted_text, on_ambiguous, on_exhausted, on_length, on_oversize, platform, platform_attempts, project, refusal_text, reply_attempts, reply_timeout, tool_attempts, tool_result_bytes, tool_rounds, tools",
		}},
		{"WrongTypes", valid + "  b: {agent: [x], max_turns: many, reply_timeout: 30, reply_attempts: 1.5}\n", []string{
			"parley.yaml:5: agents.b.agent is a list: it must be text",
			`parley.yaml:5: agents.b.max_turns is "many": write a whole number`,
			`parley.yaml:5: agents.b.reply_timeout is "30": write a duration with its unit, such as 500ms, 90s or 2m`,
			`parley.yaml:5: agents.b.reply_attempts is "1.5": write a whole number`,
		}},
		{"WrongValues", valid + "  b: {agent: x, on_exhausted: stop, max_turns: -1, reply_timeout: 0s, exchange_timeout: -1s, reply_attempts: 0, platform_attempts: -2, project: a/b, tool_result_bytes: 2000000, on_ambiguous: maybe, max_message_bytes: 2000000, on_oversize: drop, on_length: shorten}\n", []string{
			`parley.yaml:5: agents.b.on_exhausted is "stop": write park or end`,
			`parley.yaml:5: agents.b.on_ambiguous is "maybe": write park or resend`,
			`parley.yaml:5: agents.b.on_oversize is "drop": write cut or park`,
			`parley.yaml:5: agents.b.on_length is "shorten": write send, continue or refuse`,
			"parley.yaml:5: agents.b.max_turns is -1: write 1 or more, or 0 for the platform's own limit",
			"parley.yaml:5: agents.b.reply_timeout is 0s: write a positive duration, or leave it out",
			"parley.yaml:5: agents.b.exchange_timeout is -1s: write a positive duration, or leave it out",
			"parley.yaml:5: agents.b.reply_attempts is 0: write 1 or more, or leave it out",
			"parley.yaml:5: agents.b.platform_attempts is -2: write 1 or more, or leave it out",
			"parley.yaml:5: agents.b.tool_result_bytes is 2000000: write at most 524288, which is what fits into a history",
			"parley.yaml:5: agents.b.max_message_bytes is 2000000: write at most 1048576, which is what fits into a history",
			`parley.yaml:5: agents.b.project is "a/b": a project's id has no slash`,
		}},
		{"Budget", valid + "  b:\n    agent: x\n    budget:\n      tokens: -1\n      money: -0.5\n      on_spent: stop\n      monny: 1\n", []string{
			"parley.yaml:8: agents.b.budget.tokens is -1: write 1 or more, or leave it out",
			"parley.yaml:9: agents.b.budget.money is -0.50: write more than 0, or leave it out",
			`parley.yaml:10: agents.b.budget.on_spent is "stop": write park or end`,
			"parley.yaml:11: agents.b.budget.monny is no setting of agents.b.budget: did you mean money?",
		}},
		{"BudgetTypes", valid + "  b: {agent: x, budget: 5}\n  c: {agent: y, budget: {tokens: many, money: 1e3}}\n", []string{
			`parley.yaml:5: agents.b.budget is "5": it must be a mapping of settings`,
			`parley.yaml:6: agents.c.budget.tokens is "many": write a whole number`,
			`parley.yaml:6: agents.c.budget.money: "1e3" is no amount of money: write one like 2.50`,
		}},
		{"ToolRules", valid + "tools:\n  crm:\n    type: mcp\n    allow: [look, '*', '']\n    ask: [delete]\n    timeout: -1s\n", []string{
			`parley.yaml:8: tools.crm.allow[1] is "*", which is no name of a tool: leave allow out, and all may be called`,
			"parley.yaml:8: tools.crm.allow[2] is empty: write the name of a tool",
			`parley.yaml:9: tools.crm.ask[0] is "delete", which is not among those that allow names, so it is never called`,
			"parley.yaml:10: tools.crm.timeout is -1s: write more than 0, or leave it out for 1m0s",
		}},
		{"PlatformValues", strings.Replace(valid, "type: onerun", "type: onerun, settle: -1s, adopt_after: -1h, poll_interval: 1ms, max_open: few", 1), []string{
			`parley.yaml:2: platforms.main.max_open is "few": write a whole number`,
			"parley.yaml:2: platforms.main.settle is -1s: write 0s or more",
			"parley.yaml:2: platforms.main.adopt_after is -1h0m0s: write 0s, which is never, or more",
			"parley.yaml:2: platforms.main.poll_interval is 1ms: write 100ms or more",
		}},
		{"References", valid + "  b: {platform: man, agent: x, executor: skripted}\n", []string{
			`parley.yaml:5: agents.b.platform is "man", which is not among the platforms: did you mean main?`,
			`parley.yaml:5: agents.b.executor is "skripted", which is not among the executors: did you mean scripted?`,
		}},
		{"WhichPlatform", strings.Replace(valid, "agents:", "  two: {type: onerun}\nagents:", 1), []string{
			"parley.yaml:5: agents.support.platform is missing: name one of the platforms: main, two",
		}},
		{"SameAgent", valid + "  b: {platform: main, project: p1, agent: a1}\n", []string{
			"parley.yaml:5: agents.b serves the same agent as agents.support: keep one of them",
		}},
		{"ExecutorCalledAuto", valid + "executors:\n  auto: {type: scripted}\n", []string{
			"parley.yaml:6: executors.auto is reserved: it means the first executor that is available; choose another name",
		}},
		{"PlatformCalledInbox", strings.Replace(valid, "agents:", "  inbox: {type: onerun}\nagents:", 1), []string{
			"parley.yaml:3: platforms.inbox is taken: choose another name",
			"parley.yaml:5: agents.support.platform is missing: name one of the platforms: main, inbox",
		}},
		{"SecretWrittenOut", strings.Replace(valid, "${KEY}", "sk-12345", 1), []string{
			"parley.yaml:2: platforms.main.api_key is written out: keep secrets out of the file, write ${MAIN_API_KEY} or ${file:/path/to/it}",
		}},
		{"SecretAsDefault", strings.Replace(valid, "${KEY}", "${KEY:-sk-12345}", 1), []string{
			"parley.yaml:2: platforms.main.api_key has a default written out: keep secrets out of the file, write ${KEY} or ${KEY:-}",
		}},
		{"VariableNotSet", strings.NewReplacer("${KEY}", "${NO_KEY}", "http://one:3001", "${NO_URL}").Replace(valid), []string{
			"parley.yaml:2: platforms.main.base_url takes its value from NO_URL, which is not set: set it, or write ${NO_URL:-default}",
			"parley.yaml:2: platforms.main.api_key takes its value from NO_KEY, which is not set: set it, or write ${file:/path/to/it}",
		}},
		{"BadReference", strings.NewReplacer("${KEY}", "${KEY-x}", "http://one:3001", "${HOST").Replace(valid), []string{
			`parley.yaml:2: platforms.main.base_url has a "${" without its "}": close it, or write $${ for the characters themselves`,
			"parley.yaml:2: platforms.main.api_key has ${KEY-x}, which names no variable: write ${NAME}, ${NAME:-default} or ${file:path}",
		}},
		{"NoSuchSecretFile", strings.Replace(valid, "${KEY}", "${file:key}", 1), []string{
			"parley.yaml:2: platforms.main.api_key cannot be read: open key: file does not exist",
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(source(c.yaml, env, nil))
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			require.Equal(t, c.want, strings.Split(err.Error(), "\n"))
			require.NotContains(t, err.Error(), "sk-12345")
			var faults config.Faults
			require.ErrorAs(t, err, &faults)
			require.Len(t, faults, len(c.want))
		})
	}
}

func TestSelfReferenceEnds(t *testing.T) {
	t.Parallel()
	_, err := config.Load(source("platforms: &p\n  main: *p\nagents: *p\n", nil, nil))
	require.Error(t, err)
	_, err = config.Load(source("a: &a\n  <<: *a\n", nil, nil))
	require.Error(t, err)
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	full := map[string]string{
		"ONERUN_API_BASE_URL": "http://one:3001", "ONERUN_API_KEY": "s3cret", "ONERUN_PROJECT_ID": "p1", "ONERUN_AGENT_ID": "a1",
	}
	with := func(more ...string) map[string]string {
		env := make(map[string]string)
		for k, v := range full {
			env[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		return env
	}
	t.Run("Enough", func(t *testing.T) {
		t.Parallel()
		c, err := config.Load(source("", full, nil))
		require.NoError(t, err)
		require.Equal(t, "environment", c.From())
		require.Equal(t, "parley", c.TaskQueue)
		require.Equal(t, "onerun", c.Platforms[0].Name)
		require.Equal(t, "onerun", c.Agents[0].Platform)
		require.Equal(t, "p1", c.Agents[0].Project)
		require.Equal(t, "a1", c.Agents[0].Agent)
		require.Equal(t, "auto", c.Agents[0].Policy.Executor)
		require.Len(t, c.Executors, 1)
		require.Equal(t, "scripted", c.Executors[0].Name)
	})
	t.Run("Models", func(t *testing.T) {
		t.Parallel()
		c, err := config.Load(source("", with("OPENAI_API_KEY", "k"), nil))
		require.NoError(t, err)
		require.Equal(t, "openai", c.Executors[0].Name) // preferred

		_, err = config.Load(source("", with("OPENAI_BASE_URL", "http://localhost:11434/v1"), nil))
		require.EqualError(t, err, "OPENAI_MODEL is not set: the model to ask at OPENAI_BASE_URL")
	})
	t.Run("Missing", func(t *testing.T) {
		t.Parallel()
		_, err := config.Load(source("", map[string]string{"ONERUN_API_KEY": ""}, nil))
		require.EqualError(t, err, strings.Join([]string{
			"ONERUN_API_BASE_URL is not set: the address of OneRun's API, such as http://localhost:3001",
			"ONERUN_API_KEY is not set: the key that OneRun has as AUTH_API_KEY",
			"ONERUN_PROJECT_ID is not set: the id of the project in OneRun",
			"ONERUN_AGENT_ID is not set: the id of the agent in OneRun that this worker speaks for",
		}, "\n"))
	})
	t.Run("MissingOfPulse", func(t *testing.T) {
		t.Parallel()
		_, err := config.Load(source("", map[string]string{"PULSE_API_KEY": "k"}, nil))
		require.EqualError(t, err, "PULSE_SERVER_URL is not set: the address of RunAgent Pulse, such as http://localhost:8000")
	})
	t.Run("TwoPlatforms", func(t *testing.T) {
		t.Parallel()
		both := maps.Clone(full)
		both["PULSE_SERVER_URL"] = "http://pulse:8000"
		_, err := config.Load(source("", both, nil))
		require.EqualError(t, err, "PULSE_SERVER_URL is set beside ONERUN_API_BASE_URL: the environment describes one platform; "+
			"unset the other's variables, or describe both in parley.yaml")
	})
	t.Run("Executor", func(t *testing.T) {
		t.Parallel()
		src := source("", full, nil)
		src.Executor = "scripted"
		c, err := config.Load(src)
		require.NoError(t, err)
		require.Equal(t, "scripted", c.Agents[0].Policy.Executor)
		src.Executor = "gpt"
		_, err = config.Load(src)
		require.EqualError(t, err, `--executor is "gpt", which is not among the executors: there are auto, scripted`)
	})
	t.Run("ExecutorWithFile", func(t *testing.T) {
		t.Parallel()
		src := source(valid, map[string]string{"KEY": "k"}, nil)
		src.Executor, src.TaskQueue = "scripted", "mine"
		_, err := config.Load(src)
		require.EqualError(t, err, "parley.yaml: --executor goes with the environment only: set the executor of each agent in the file")
	})
}

// A variable with a secret's name may have its value in a file.
func TestSecretsInFiles(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{"/run/key": []byte("s3cret\n")}
	read := func(path string) ([]byte, error) {
		if data, ok := files[path]; ok {
			return data, nil
		}
		return nil, fs.ErrNotExist
	}
	load := func(env map[string]string) (*config.Config, error) {
		return config.Load(config.Source{Types: assemble.Builtin().Types(), NoFile: true, ReadFile: read, Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	}
	env := map[string]string{
		"ONERUN_API_BASE_URL": "http://one", "ONERUN_API_KEY_FILE": "/run/key", "ONERUN_PROJECT_ID": "p", "ONERUN_AGENT_ID": "a",
		"OPENAI_API_KEY_FILE": "/run/key",
	}
	c, err := load(env)
	require.NoError(t, err)
	require.Equal(t, "openai", c.Executors[0].Name)
	var settings struct {
		APIKey string `yaml:"api_key"`
	}
	for _, s := range []config.Settings{c.Platforms[0].Settings, c.Executors[0].Settings} {
		_ = s.Decode(&settings, "it")
		require.Equal(t, "s3cret", settings.APIKey)
	}

	env["OPENAI_API_KEY"] = "direct"
	c, err = load(env)
	require.NoError(t, err)
	_ = c.Executors[0].Settings.Decode(&settings, "it")
	require.Equal(t, "direct", settings.APIKey, "the variable comes first")

	env["ONERUN_API_KEY_FILE"] = "/run/none"
	_, err = load(env)
	require.ErrorContains(t, err, "takes its value from the file that ONERUN_API_KEY_FILE names, which cannot be read")

	delete(env, "ONERUN_API_KEY_FILE")
	env["ONERUN_PROJECT_ID"], env["ONERUN_PROJECT_ID_FILE"] = "", "/run/key"
	_, err = load(env)
	require.ErrorContains(t, err, "ONERUN_PROJECT_ID", "only secrets are looked for in files")
}

func TestWhichFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("task_queue: "+name+"\n"+valid), 0o600))
	}
	env := map[string]string{"KEY": "k"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }

	write("parley.yaml")
	write("flag.yaml")
	c, err := config.Load(config.Source{Dir: dir, Lookup: lookup})
	require.NoError(t, err)
	require.Equal(t, "parley.yaml", c.TaskQueue)
	c, err = config.Load(config.Source{Dir: dir, Lookup: lookup, Path: "flag.yaml", TaskQueue: "mine"})
	require.NoError(t, err)
	require.Equal(t, "mine", c.TaskQueue)
	require.Equal(t, dir, c.Dir)

	env["PARLEY_CONFIG"] = "gone.yaml"
	_, err = config.Load(config.Source{Dir: dir, Lookup: lookup})
	require.EqualError(t, err, "gone.yaml: no such file: PARLEY_CONFIG names it")
	_, err = config.Load(config.Source{Dir: dir, Lookup: lookup, Path: "."})
	require.EqualError(t, err, ".: cannot be read: is a directory")
}

func TestSettings(t *testing.T) {
	t.Parallel()
	c, err := config.Load(source(valid+`executors:
  x:
    type: odd
    key: k
    timeout: soon
    nested: {depth: deep, width: 3}
    list: [1s, 2]
    headers: {a: b}
    flag: yes
`, map[string]string{"KEY": "k"}, nil))
	require.NoError(t, err)
	var into struct {
		Key     string        `yaml:"key"`
		Missing string        `yaml:"missing"`
		Timeout time.Duration `yaml:"timeout"`
		Nested  struct {
			Depth int `yaml:"depth"`
		} `yaml:"nested"`
		List    []time.Duration   `yaml:"list"`
		Headers map[string]string `yaml:"headers"`
		Flag    *bool             `yaml:"flag"`
	}
	err = c.Executors[0].Settings.Build(&into, "odd", func() error {
		return fmt.Errorf("odd: %w", errors.Join(
			&conversation.FieldError{Field: "missing", Text: "is empty", Remedy: "set it"}, &conversation.FieldError{Field: "timeout", Text: "is 0s"},
			&conversation.FieldError{Field: "key", Text: "is too short"}, errors.New("nothing works"),
			&conversation.FieldError{Field: "nested.height", Text: "is missing"}, &conversation.FieldError{Field: "headers.a", Text: "is odd"},
			&conversation.FieldError{Field: "list[0]", Text: "is long"}, &conversation.FieldError{Field: "list[7]", Text: "is far"}))
	})
	require.EqualError(t, err, strings.Join([]string{
		"parley.yaml:6: executors.x.missing is empty: set it",
		"parley.yaml:6: executors.x: nothing works",
		"parley.yaml:8: executors.x.key is too short",
		`parley.yaml:9: executors.x.timeout is "soon": write a duration with its unit, such as 500ms, 90s or 2m`,
		`parley.yaml:10: executors.x.nested.depth is "deep": write a whole number`,
		"parley.yaml:10: executors.x.nested.width is no setting of executors.x.nested: there are depth",
		"parley.yaml:10: executors.x.nested.height is missing",
		`parley.yaml:11: executors.x.list[1] is "2": write a duration with its unit, such as 500ms, 90s or 2m`,
		"parley.yaml:11: executors.x.list[0] is long",
		"parley.yaml:11: executors.x.list[7] is far",
		"parley.yaml:12: executors.x.headers.a is odd",
		`parley.yaml:13: executors.x.flag is "yes": write true or false`,
	}, "\n"))
	require.Equal(t, map[string]string{"a": "b"}, into.Headers)
}

// A scheduled task names its executor: no other one replies.
func TestExecutorsOfPulse(t *testing.T) {
	t.Parallel()
	names := func(c *config.Config) (names []string) {
		for _, e := range c.Executors {
			names = append(names, e.Name)
		}
		return names
	}
	c, err := config.Load(source("", map[string]string{
		"PULSE_SERVER_URL": "http://localhost:8000", "OPENAI_API_KEY": "k", "RUNAGENT_API_KEY": "r",
	}, nil))
	require.NoError(t, err)
	require.Equal(t, []string{"serverless", "local"}, names(c))
	require.Equal(t, "auto", c.Agents[0].Policy.Executor)
	require.Equal(t, []string{"serverless", "local"}, c.Agents[0].Policy.Executors)

	file := "platforms:\n  p: {type: pulse, url: http://localhost:8000}\nagents:\n  a: {platform: p}\n  d: {platform: direct}\n"
	c, err = config.Load(source(file, nil, nil))
	require.NoError(t, err)
	require.Equal(t, []string{"local", "scripted"}, names(c))
	require.Equal(t, "local", c.Agents[0].Policy.Executor)
	require.Equal(t, "auto", c.Agents[1].Policy.Executor)
}
