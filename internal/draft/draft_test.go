package draft_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/draft"
)

// unset is an environment without variables.
func unset(string) (string, bool) { return "", false }

// combinations runs f for every executor that suits each platform.
func combinations(t *testing.T, f func(t *testing.T, choice draft.Choice)) {
	t.Helper()
	types := assemble.Builtin()
	n := 0
	for _, platform := range draft.PlatformNames(types) {
		for _, executor := range draft.ExecutorNames(types, platform) {
			n++
			t.Run(platform+"/"+executor, func(t *testing.T) {
				t.Parallel()
				f(t, draft.Choice{Platform: platform, Executor: executor})
			})
		}
	}
	require.GreaterOrEqual(t, n, 28)
}

// The worker's reader takes the file of every combination.
func TestEveryCombinationLoads(t *testing.T) {
	t.Parallel()
	combinations(t, func(t *testing.T, choice draft.Choice) {
		d, err := draft.New(assemble.Builtin(), choice)
		require.NoError(t, err)
		require.NoError(t, draft.Check(assemble.Builtin(), "parley.yaml", d.Text, unset), d.Text)
		require.NotContains(t, d.Text, "<no value>")
		require.NotContains(t, d.Text, "{{")

		c, err := config.Load(source(d.Text))
		require.NoError(t, err)
		require.Len(t, c.Agents, 1)
		require.Equal(t, choice.Platform, c.Agents[0].Platform)
		require.Equal(t, choice.Executor, c.Agents[0].Policy.Executor)
		require.Equal(t, draft.DefaultName, c.Agents[0].Name)
	})
}

// setting is a line that is a setting behind a comment's sign.
var setting = regexp.MustCompile(`(?m)^( *)# ([a-z_]+: \S.*)$`)

// What stands in comments is accepted, too, with all of it set at once: a key that a
// backend does not have, or a value that it does not take, is a fault.
func TestCommentedSettingsExist(t *testing.T) {
	t.Parallel()
	combinations(t, func(t *testing.T, choice draft.Choice) {
		d, err := draft.New(assemble.Builtin(), choice)
		require.NoError(t, err)
		require.Greater(t, len(setting.FindAllString(d.Text, -1)), 3, d.Text)
		all := setting.ReplaceAllString(d.Text, "$1$2")
		all = strings.ReplaceAll(all, "script: script.yaml", "script: "+script(t))
		require.NoError(t, draft.Check(assemble.Builtin(), "parley.yaml", all, unset), all)
	})
}

// script is a file for the setting that must name one.
func script(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../executors/scripted/example.yaml")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "script.yaml")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// A new type brings a sample along.
func TestEveryTypeHasASample(t *testing.T) {
	t.Parallel()
	types := assemble.Builtin()
	for _, p := range types.Platforms {
		require.True(t, p.New == nil || p.Sample != "", "platform %s has no sample", p.Name)
	}
	for _, e := range types.Executors {
		require.NotEmpty(t, e.Sample, "executor %s has no sample", e.Name)
		require.NotEmpty(t, e.Title, "executor %s has no title", e.Name)
	}
}

func TestChoicesAreWritten(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		choice draft.Choice
		want   []string
	}{
		"model":   {draft.Choice{Platform: "direct", Executor: "openai", Model: "gpt: 5"}, []string{"    model: 'gpt: 5'\n", "    api_key: ${OPENAI_API_KEY}\n"}},
		"server":  {draft.Choice{Platform: "direct", Executor: "openai", ExecutorURL: "http://localhost:11434/v1", Model: "qwen3"}, []string{"    base_url: http://localhost:11434/v1\n", "    api_key: ${OPENAI_API_KEY:-}\n"}},
		"ids":     {draft.Choice{Platform: "onerun", Executor: "scripted", Project: "123", Agent: "ag"}, []string{"    project: \"123\"\n", "    agent: ag\n"}},
		"no ids":  {draft.Choice{Platform: "onerun", Executor: "scripted"}, []string{"    project: ${ONERUN_PROJECT_ID}\n", "    # The id of the project in OneRun.\n"}},
		"address": {draft.Choice{Platform: "pulse", Executor: "runagent", PlatformURL: "http://pulse:8000", Name: "nightly"}, []string{"    url: http://pulse:8000\n", "  nightly:\n    platform: pulse\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := draft.New(assemble.Builtin(), tc.choice)
			require.NoError(t, err)
			for _, want := range tc.want {
				require.Contains(t, d.Text, want)
			}
			require.NoError(t, draft.Check(assemble.Builtin(), "parley.yaml", d.Text, unset))
		})
	}
}

func TestChoicesThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		choice draft.Choice
		want   string
	}{
		"nothing":           {draft.Choice{}, "the platform is missing: name one of direct, iii, onerun, pulse\nthe executor is missing: name one of openai, a2a, anthropic, command, gemini, http, iii, runagent, scripted"},
		"unknown":           {draft.Choice{Platform: "onrun", Executor: "openai"}, `there is no platform "onrun": did you mean onerun?`},
		"tasks":             {draft.Choice{Platform: "pulse", Executor: "openai"}, "the tasks of RunAgent Pulse are for executors of type runagent, and openai is none"},
		"model of none":     {draft.Choice{Platform: "direct", Executor: "scripted", Model: "m"}, `scripted has no model to set: leave "m" out`},
		"address of none":   {draft.Choice{Platform: "direct", Executor: "command", ExecutorURL: "http://h"}, `command has no address to set: leave "http://h" out`},
		"project of direct": {draft.Choice{Platform: "direct", Executor: "scripted", Project: "p"}, `direct has no project to set: leave "p" out`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := draft.New(assemble.Builtin(), tc.choice)
			require.EqualError(t, err, tc.want)
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	got := make(map[string][2]string)
	for _, e := range assemble.Builtin().Executors {
		model, url := draft.Defaults(e)
		got[e.Name] = [2]string{model, url}
	}
	require.Equal(t, map[string][2]string{
		"openai": {"gpt-4.1-mini", ""}, "anthropic": {"claude-haiku-4-5", ""}, "gemini": {"gemini-2.5-flash", ""},
		"http": {"", "http://localhost:8000/reply"}, "a2a": {"", "http://localhost:9999"}, "iii": {"", "ws://127.0.0.1:49134"},
		"command": {}, "runagent": {}, "scripted": {},
	}, got)
}

func TestVariables(t *testing.T) {
	t.Parallel()
	d, err := draft.New(assemble.Builtin(), draft.Choice{Platform: "onerun", Executor: "anthropic"})
	require.NoError(t, err)
	require.Equal(t, []draft.Variable{
		{Name: "ONERUN_API_BASE_URL", Text: "the address of OneRun's API, such as http://localhost:3001", Required: true},
		{Name: "ONERUN_API_KEY", Text: "the key that OneRun has as AUTH_API_KEY", Required: true},
		{Name: "ANTHROPIC_API_KEY", Required: true},
		{Name: "ONERUN_PROJECT_ID", Text: "the id of the project in OneRun", Required: true},
		{Name: "ONERUN_AGENT_ID", Text: "the id of the agent in OneRun that this worker speaks for", Required: true},
	}, d.Variables)
}

// source reads a text as parley.yaml, with every variable set.
func source(text string) config.Source {
	return config.Source{
		Path:     "parley.yaml",
		Lookup:   func(name string) (string, bool) { return "set", !strings.HasSuffix(name, "_FILE") },
		ReadFile: func(string) ([]byte, error) { return []byte(text), nil },
		Types:    assemble.Builtin().Types(),
	}
}
