package assemble_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/breaker"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/gemini"
	"github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/iiifunction"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/executors/scripted"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/callback"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/platforms/iiiengine"
	"github.com/parley-run/parley/platforms/onerun"
	"github.com/parley-run/parley/platforms/pulse"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/mcp"
)

// keysOf writes a struct as YAML, a line for each key, and returns the path of each
// line. Maps have one entry whose name has a dot, and lists one item.
func keysOf(of reflect.Type, path, indent string) (lines, paths []string) {
	for i := range of.NumField() {
		field := of.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if !field.IsExported() || name == "-" {
			continue
		}
		if options == "inline" {
			l, p := keysOf(field.Type, path, indent)
			lines, paths = append(lines, l...), append(paths, p...)
			continue
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		l, p := valueOf(field.Type, at, indent+"  ")
		lines, paths = append(lines, indent+name+":"+l[0]), append(paths, at)
		lines, paths = append(lines, l[1:]...), append(paths, p...)
	}
	return lines, paths
}

// valueOf is what follows a key: the rest of its line, and the lines below.
func valueOf(of reflect.Type, at, indent string) (lines, paths []string) {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]():
		l, p := keysOf(of, at, indent)
		return append([]string{""}, l...), p
	case of.Kind() == reflect.Map:
		l, p := valueOf(of.Elem(), at+".a.b", indent+"  ")
		return append([]string{"", indent + "a.b:" + l[0]}, l[1:]...), append([]string{at + ".a.b"}, p...)
	case of.Kind() == reflect.Slice && of.Elem().Kind() != reflect.Uint8:
		return []string{"", indent + "- ${KEY}"}, []string{at + "[0]"}
	}
	return []string{" ${KEY}"}, nil
}

// Every key of every backend is found by its path.
func TestEveryKeyHasItsLine(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]any{
		"openai": openai.Config{}, "anthropic": anthropic.Config{}, "gemini": gemini.Config{}, "http": http.Config{}, "a2a": a2a.Config{},
		"command": command.Config{}, "iii function": iiifunction.Config{}, "runagent": runagent.Config{}, "scripted": scripted.Config{},
		"limits": limit.Config{}, "budget": budget.Config{}, "task_breaker": breaker.Config{}, "failover": failover.Config{},
		"onerun": onerun.Config{}, "pulse": pulse.Config{}, "iii engine": iiiengine.Config{}, "mcp": mcp.Config{}, "rules": tools.Rules{},
		"callbacks": callback.Config{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, paths := keysOf(reflect.TypeOf(of), "", "    ")
			require.Len(t, lines, len(paths))
			require.NotEmpty(t, lines)
			src := source("executors:\n  it:\n"+strings.Join(lines, "\n")+"\n", map[string]string{"KEY": "k"})
			c, _ := config.Load(src)
			require.Len(t, c.Executors, 1)
			for i, path := range paths {
				err := c.Executors[0].Settings.Place(&conversation.FieldError{Field: path, Text: "is bad", Remedy: "make it good"})
				require.EqualError(t, err, fmt.Sprintf("parley.yaml:%d: executors.it.%s is bad: make it good", 3+i, path))
			}
		})
	}
}

// What each backend finds wrong has the line and the path of the setting.
func TestFaultsHaveTheirPlaces(t *testing.T) {
	t.Parallel()
	executor := func(settings string) string { return "executors:\n  it:\n" + settings }
	platform := func(settings string) string { return "platforms:\n  it:\n" + settings }
	for name, tc := range map[string]struct {
		yaml string
		want []string // "line path", of all there are
	}{
		"openai": {executor("    type: openai\n    model: \"\"\n    base_url: nowhere\n    temperature: 3\n    headers:\n      \"Bad Name\": x\n" +
			"    extra:\n      stream: true\n    store: true\n    api: talk\n    timeout: -1s\n    max_output_tokens: -1\n"),
			[]string{"4 model", "5 base_url", "6 temperature", "8 headers.Bad Name", "12 api", "13 timeout", "14 max_output_tokens"}},
		"anthropic": {executor("    type: anthropic\n    model: m\n    headers:\n      X-Ok: \"a\\nb\"\n    extra:\n      system: x\n    gap_timeout: 1h\n"),
			[]string{"6 headers.X-Ok", "8 extra.system", "9 gap_timeout"}},
		"gemini": {executor("    type: gemini\n    model: a?b\n    project: p\n"), []string{"4 model", "5 project"}},
		"http": {executor("    type: http\n    url: http://h\n    hmac:\n      secret: ${SHORT}\n      header: a b\n    response:\n      state: x\n      error_kinds:\n        E.1: Odd\n    request:\n      body: \"{{.Input}}\"\n"),
			[]string{"6 hmac.secret", "7 hmac.header", "8 response.text", "8 response.error_code", "11 response.error_kinds.E.1", "13 request.body"}},
		"a2a": {executor("    type: a2a\n    url: http://h\n    card_hosts:\n      - ok\n      - a/b\n    accept: [text/plain, \"\"]\n    streaming: maybe\n"),
			[]string{"7 card_hosts[1]", "8 accept[1]", "9 streaming"}},
		"command": {executor("    type: command\n    command: [x]\n    env:\n      A B: x\n    pass_env:\n      - A\n      - B-C\n    start_timeout: 1s\n"),
			[]string{"6 env.A B", "9 pass_env[1]", "10 start_timeout"}},
		"iii function": {executor("    type: iii\n    guard:\n      max_risk: 2\n      fail: ajar\n"), []string{"2 agent_id", "5 guard.max_risk", "6 guard.fail"}},
		"runagent": {executor("    type: runagent\n    mode: local\n    url: http://h\n    port: -1\n    agent_hosts:\n      - h\n      - h/x\n"),
			[]string{"5 url", "6 port", "9 agent_hosts[1]"}},
		"scripted": {executor("    type: scripted\n    script: gone.yaml\n    latency: -1s\n"), []string{"4 script", "5 latency"}},
		"limits":   {executor("    type: scripted\n    limits:\n      concurrency: -2\n      max_wait: 1h\n"), []string{"5 limits.concurrency", "6 limits.max_wait"}},
		"budget": {executor("    type: scripted\n    budget:\n      time_zone: Mars\n      day:\n        tokens: -1\n      prices:\n        gpt-4.1:\n          input: 1\n          output: -1\n"),
			[]string{"5 budget.time_zone", "7 budget.day.tokens", "11 budget.prices.gpt-4.1.output"}},
		"task_breaker": {executor("    type: scripted\n    task_breaker:\n      open_for: 1h\n      while_open: sleep\n"), []string{"5 task_breaker.open_for", "6 task_breaker.while_open"}},
		"failover": {executor("    type: failover\n    links:\n      - it2\n      - auto\n    switch_on: [Tired]\n    breaker:\n      failures: -1\n  it2: {type: scripted}\n"),
			[]string{"6 links[1]", "7 switch_on[0]", "9 breaker.failures"}},
		"onerun": {platform("    type: onerun\n    opening: nobody\n    timeout: -1s\n"), []string{"2 base_url", "2 api_key", "4 opening", "5 timeout"}},
		"pulse":  {platform("    type: pulse\n    url: http://h/tasks\n    types:\n      - a\n      - a\n    result_summary: -1\n"), []string{"4 url", "7 types[1]", "8 result_summary"}},
		"iii engine": {platform("    type: iii\n    url: ftp://h\n    headers:\n      a b: x\n    era: z\n    personas: [ok, \"\"]\n"),
			[]string{"4 url", "6 headers.a b", "7 era", "8 personas[1]"}},
		"mcp":       {"tools:\n  it:\n    type: mcp\n    command: [\"\"]\n    connect_timeout: -1s\n    allow: [a, \"*\"]\n    ask:\n      - b\n", []string{"4 command[0]", "5 connect_timeout", "6 allow[1]", "8 ask[0]"}},
		"callbacks": {"callbacks:\n  allow_private:\n    - all\n    - 10/8\n", []string{"4 allow_private[1]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := assemble.Load(source(tc.yaml, map[string]string{"SHORT": "short"}))
			var faults config.Faults
			require.True(t, errors.As(err, &faults))
			var got []string
			for _, f := range faults {
				if f.Line == 0 { // sections that are missing
					continue
				}
				key := strings.TrimPrefix(strings.TrimPrefix(f.Key, "callbacks."), strings.Split(f.Key, ".")[0]+".it.")
				got = append(got, fmt.Sprintf("%d %s", f.Line, key))
			}
			require.ElementsMatch(t, tc.want, got, "%v", err)
		})
	}
}
