package command

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"github.com/parley-run/parley/internal/connect/connecttest"
	"github.com/parley-run/parley/internal/sim"
)

// The page, and the code whose errors end a start. A call is looked for by the name of its
// function, and its message is its first constant text with a space in it.
const troubleshooting = "../../docs/troubleshooting.md"

// sources are where messages of the tables are made: a file or a folder, and the functions
// and literals that make them.
var sources = []struct {
	path  string
	calls []string
}{
	{"flags.go", []string{"fault"}},
	{"dev.go", []string{"Sprintf"}},
	{"../../internal/config", []string{"fault", "wrong", "Fault", "Faults"}},
	{"../../internal/assemble/assemble.go", []string{"Fault"}},
	{"../../internal/connect/connect.go", []string{"Error"}},
	{"../../internal/connect/attributes.go", []string{"Error"}},
	{"../../internal/health/health.go", []string{"Errorf"}},
	{"../../internal/tracing/export/export.go", []string{"Errorf"}},
	{"../../internal/testhook/testhook.go", nil},
}

// notAtStart are messages of these sources that end no start.
var notAtStart = map[string]string{
	"is …: this program has no types to configure":                     "a program that embeds Parley without types",
	"sends … to … without encryption: everyone on the way can read it": "a warning",
	"cannot be set in a file":                                          "a field of a kind that no backend has",
	"…: …":                                                             "the name of an exporter before its message",
	"agent":                                                            "no message",
	"namespace":                                                        "no message",
	"no answer within …":                                               "the end of another message",
	"the host is not known":                                            "the end of another message",
	"what listens there does not answer as Temporal does; it may still be starting, or expect TLS":    "the end of another message",
	"TEMPORAL_API_KEY goes to … without TLS: everyone on the way can read it (set TEMPORAL_TLS=true)": "a warning",
}

var verb = regexp.MustCompile(`%\[?\d*\]?[+#]?[a-z]`)

// pattern is a message as the page writes it.
func pattern(format string) string {
	text := verb.ReplaceAllString(strings.ReplaceAll(format, "%%", "%"), "…")
	return strings.TrimSpace(text)
}

// messages are those that the code can make, with their places.
func messages(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, src := range sources {
		paths := []string{src.path}
		if !strings.HasSuffix(src.path, ".go") {
			var err error
			paths, err = filepath.Glob(src.path + "/*.go")
			require.NoError(t, err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, 0)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				name, args := made(n)
				if !slices.Contains(src.calls, name) {
					return true
				}
				for _, arg := range args {
					if text := constant(arg); strings.Contains(text, " ") {
						found[pattern(text)] = set.Position(n.Pos()).String()
						break
					}
				}
				return true
			})
		}
	}
	return found
}

// made is what a node makes an error with: a function with its arguments, or the type of a
// literal with its field Text.
func made(n ast.Node) (name string, args []ast.Expr) {
	switch n := n.(type) {
	case *ast.CallExpr:
		switch f := n.Fun.(type) {
		case *ast.Ident:
			return f.Name, n.Args
		case *ast.SelectorExpr:
			return f.Sel.Name, n.Args
		}
	case *ast.CompositeLit:
		if of, ok := n.Type.(*ast.Ident); ok || n.Type == nil {
			name = "Fault" // of a list of them
			if ok {
				name = of.Name
			}
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Text" {
						args = append(args, kv.Value)
					}
				}
			}
		}
	}
	return name, args
}

// constant is the text of a literal, of literals that are added, or of the format of a call.
func constant(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			left, right := constant(e.X), constant(e.Y)
			if left == "" {
				left = "…"
			}
			if right == "" {
				right = "…"
			}
			return left + right
		}
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sprintf" {
			return constant(e.Args[0])
		}
	}
	return ""
}

var row = regexp.MustCompile("(?m)^\\| `(.+?)` \\| (.+) \\|$")

// rows are the messages of the page.
func rows(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(troubleshooting)
	require.NoError(t, err)
	var found []string
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		require.NotContains(t, found, m[1], "twice on the page")
		found = append(found, m[1])
	}
	require.Greater(t, len(found), 80)
	return found
}

// written is a row as it stands for a message of the code, which may have a prefix there.
func written(message string, rows []string) bool {
	for _, r := range rows {
		if r == message || r == strings.Replace(message, "is …, perhaps", "is in use, perhaps", 1) || r == "temporal: "+message || message == strings.ReplaceAll(r, "OTEL_TRACES_EXPORTER:", "…:") ||
			strings.TrimPrefix(message, "…: ") == strings.TrimPrefix(r, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: ") {
			return true
		}
	}
	return false
}

// A message without a row fails here: write the row, and a case in TestStartErrors.
func TestEveryStartErrorIsOnThePage(t *testing.T) {
	t.Parallel()
	all := rows(t)
	found := messages(t)
	require.Greater(t, len(found), 70)
	for _, message := range slices.Sorted(maps.Keys(found)) {
		if _, other := notAtStart[message]; !other && !written(message, all) {
			t.Errorf("%s: %q has no row in docs/troubleshooting.md", found[message], message)
		}
	}
}

// stages are the steps of a start that can fail, with the section of the page.
var stages = map[string]string{
	"s.metrics": "Traces and metrics", "s.assemble": "Configuration", "s.check": "Platforms", "s.trace": "Traces and metrics",
	"s.encrypt": "Configuration", "s.pages": "Health pages", "s.connect": "Temporal", "New": "Versions and options",
	"w.CheckReplay": "Versions and options", "w.Run": "Temporal",
	// These make instruments and services of what is valid already.
	"s.services": "", "countConnections": "", "countMissingKeys": "", "s.follow": "", "look.watch": "",
}

// A new step of the start that can fail needs a section.
func TestEveryStepOfTheStartHasASection(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(troubleshooting)
	require.NoError(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), "../../internal/process/serve.go", nil, 0)
	require.NoError(t, err)
	n := 0
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != "serve" {
			continue
		}
		for _, called := range failing(f.Body) {
			n++
			section, known := stages[called]
			require.True(t, known, "%s can end a start: add its messages to docs/troubleshooting.md, and its section here", called)
			require.Contains(t, string(text), "### "+section)
		}
	}
	require.GreaterOrEqual(t, n, 14)
}

// failing are the functions whose error the body of serve assigns or returns.
func failing(body *ast.BlockStmt) []string {
	var all []string
	add := func(e ast.Expr) {
		call, ok := e.(*ast.CallExpr)
		if !ok {
			return
		}
		switch f := call.Fun.(type) {
		case *ast.Ident:
			all = append(all, f.Name)
		case *ast.SelectorExpr:
			if x, ok := f.X.(*ast.Ident); ok {
				all = append(all, x.Name+"."+f.Sel.Name)
			}
		}
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.AssignStmt:
			if last, ok := n.Lhs[len(n.Lhs)-1].(*ast.Ident); ok && last.Name == "err" {
				add(n.Rhs[0])
			}
		case *ast.ReturnStmt:
			add(n.Results[len(n.Results)-1])
		}
		return true
	})
	return all
}

// A start is one that fails.
type start struct {
	code    int
	args    []string
	environ []string
	file    string // parley.yaml
	want    string // a row
}

const (
	testKey = "k-0123456789abcdef"
	good    = "platforms: {main: {type: onerun, base_url: \"http://127.0.0.1:1\", api_key: \"${KEY}\"}}\n"
	served  = "agents: {support: {platform: main, project: p, agent: a}}\n"
	goodAll = good + served
	alone   = "agents: {support: {executor: scripted}}\nexecutors: {scripted: {type: scripted}}\n" // direct
)

// starts cause every message of the page.
func starts(t *testing.T) []start {
	t.Helper()
	flag := func(want string, args ...string) start { return start{code: 2, args: args, want: want} }
	file := func(want, text string) start { return start{code: 2, file: text, want: want} }
	platform := func(settings string) string {
		return "platforms: {main: {type: onerun, base_url: \"http://127.0.0.1:1\", api_key: \"${KEY}\", " + settings + "}}\n" + served
	}
	agent := func(settings string) string {
		return good + "agents: {support: {platform: main, project: p, agent: a, " + settings + "}}\n"
	}
	all := []start{
		flag("unknown flag: …", "--no-such"),
		flag("invalid argument … for … flag: …", "--drain-timeout", "soon"),
		flag("flag needs an argument: …", "--config"),
		flag("… is no flag: the worker takes flags only", "serve"),
		flag("--log-level is …: use debug, info, warn or error", "--log-level", "loud"),
		flag("--log-format is …: use text or json", "--log-format", "xml"),
		flag("--drain-timeout is …: use a positive duration such as 30s", "--drain-timeout", "0s"),
		flag("--temporal-wait is …: use a duration such as 5m, or 0 to give up at once", "--temporal-wait", "-1s"),
		flag("--until-idle is …: use 1s or more, or 0 to work until a signal", "--until-idle", "1ms"),
		flag("--max-runtime is …: use a positive duration such as 10m, or 0 to work until a signal", "--max-runtime", "-1s"),
		flag("--… is …: use … or more", "--max-pollers", "1"),
		flag(`--health-addr is …: use host:port such as …, or "" for none`, "--health-addr", "here"),
		flag("… and … go together: give both, or neither", "--build-id", "7"),
		flag("… is …: Temporal allows no dot and no space in it", "--build-id", "7", "--deployment-name", "a.b"),
		flag("--… goes with --dev only", "--exit"),
		flag("--… does not go with --dev, which sees to that itself", "--dev", "--no-inbox"),
		flag("--dev-conversations is …: write 1 or more", "--dev", "--dev-conversations", "0"),
		flag("--output is …: write text or json", "--dev", "--output", "xml"),
		{code: 2, environ: []string{"PARLEY_TEST_HOOKS=x"}, want: "PARLEY_TEST_HOOKS: …: …"},

		flag("no such file: … names it", "--config", "gone.yaml"),
		flag("cannot be read: …", "--config", "."),
		{code: 2, environ: []string{"ONERUN_API_KEY=k"}, want: "is not set"},
		{code: 2, environ: []string{"ONERUN_API_KEY=k", "PULSE_SERVER_URL=http://h"}, want: "is set beside …"},
		file("is empty: name platforms and agents in it", "# nothing\n"),
		file("not valid YAML: …", "agents: {\n"),
		file("a second document begins here: one file holds one configuration, take out the line ---", alone+"---\n"+alone),
		file("a value here …: write it out", "a: &a [x, x, x, x, x, x, x, x, x, x]\n"+bomb()),
		file("must be a mapping with the keys task_queue, platforms, executors and agents", "[a]\n"),
		file("stands there twice: keep one", alone+"agents: {}\n"),
		file("is no section of the file: …", alone+"agentz: {}\n"),
		file("is no setting of …: …", platform("colour: red")),
		file("is missing: name at least one platform, such as main: …", served),
		file("is missing: name at least one agent, such as support: {platform: main, project: …, agent: …}", good),
		file("is …: it must be a mapping of settings", "agents: {support: yes}\n"),
		file("is …: it must be a mapping", alone2("openai, model: m, api_key: \"${KEY}\", headers: x")),
		file("is …: it must be a mapping from names to settings", "agents: [a]\n"),
		file("is …: it must be a list, [a, b]", agent("tools: x")),
		file("is …: it must be …", agent("executor: [a]")),
		file("is …: write a duration with its unit, such as 500ms, 90s or 2m", platform("timeout: 30")),
		file("is …: write true or false", platform("back_pressure: maybe")),
		file("is …: write a whole number", agent("max_turns: many")),
		file("is …: write a number", alone2("openai, model: m, api_key: \"${KEY}\", temperature: warm")),
		file("is …: write a positive duration, or leave it out", agent("reply_timeout: -1s")),
		file("is …: write 1 or more, or leave it out", agent("reply_attempts: 0")),
		file("is …: write 1 or more, or 0 for the platform's own limit", agent("max_turns: -1")),
		file("is …: write more than 0, or leave it out", agent("budget: {money: -1}")),
		file("is …: write at most …, which is what fits into a history", agent("max_message_bytes: 100000000")),
		file("is …: write … or …", agent("on_oversize: burn")),
		file("is …: write …, … or …", agent("on_length: burn")),
		file("is …: write 0s or more", platform("settle: -1s")),
		file("is …: write 0s, which is never, or more", platform("adopt_after: -1s")),
		file("is …: write … or more", platform("poll_interval: 1ms")),
		file("is written out: keep secrets out of the file, write ${…} or ${file:/path/to/it}", "platforms: {main: {type: onerun, base_url: \"http://127.0.0.1:1\", api_key: abc}}\n"+served),
		file("has a default written out: keep secrets out of the file, write ${…} or ${…:-}", "platforms: {main: {type: onerun, base_url: \"http://127.0.0.1:1\", api_key: \"${NONE:-abc}\"}}\n"+served),
		file(`has a "${" without its "}": close it, or write $${ for the characters themselves`, agent("executor: \"${A\"")),
		file("has ${…}, which names no variable: write ${NAME}, ${NAME:-default} or ${file:path}", agent("executor: \"${A B}\"")),
		file("takes its value from …, which is not set: set it, or write ${…:-default}", agent("executor: \"${NONE}\"")),
		file("takes its value from …, which is not set: set it, or write ${file:/path/to/it}", "platforms: {main: {type: onerun, base_url: \"http://127.0.0.1:1\", api_key: \"${NONE}\"}}\n"+served),
		{code: 2, environ: []string{"OTHER_API_KEY_FILE=/nowhere"}, want: "takes its value from the file that … names, which cannot be read: …",
			file: "platforms: {main: {type: onerun, base_url: \"http://127.0.0.1:1\", api_key: \"${OTHER_API_KEY}\"}}\n" + served},
		file("is no usable name: use letters, digits, and . _ - between them", "agents: {a/b: {executor: auto}}\n"),
		file("has no settings: write them below it, or take the name out", "agents:\n  support:\n"),
		file("is taken: choose another name", "platforms: {inbox: {type: onerun, base_url: \"http://127.0.0.1:1\", api_key: \"${KEY}\"}}\n"+served),
		file("is of type …, which has one platform, called …: rename it, or leave it out", "platforms: {mine: {type: direct}}\n"+alone),
		file("is reserved: it means the first executor that is available; choose another name", "executors: {auto: {type: scripted}}\nagents: {support: {executor: auto}}\n"),
		file("is no mapping of settings: write key and keys below it, or take it out", alone+"encryption:\n"),
		{code: 2, args: []string{"--executor", "x"}, file: alone, want: "--executor goes with the environment only: set the executor of each agent in the file"},
		file("is missing: name one of the platforms: …", "platforms: {main: {type: onerun, base_url: \"http://127.0.0.1:1\", api_key: \"${KEY}\"}, two: {type: pulse, url: \"http://127.0.0.1:1\"}}\nagents: {support: {project: p, agent: a}}\n"),
		file("is …, which is not among the platforms: …", good+"agents: {support: {platform: mian, project: p, agent: a}}\n"),
		file("is …, which is not among the executors: …", agent("executor: gtp")),
		file("names …, which is not among the executors: …", agent("executors: [gtp]")),
		file("names …, but there is no section tools", agent("tools: [crm]")),
		file("names …, which is not among the tools: …", agent("tools: [crn]")+"tools: {crm: {type: mcp, command: [x]}}\n"),
		file("has …: name a tool behind the slash, or leave the slash out for all", agent("tools: [crm/]")+"tools: {crm: {type: mcp, command: [x]}}\n"),
		file("is …: a project's id has no slash", good+"agents: {support: {platform: main, project: a/b, agent: a}}\n"),
		file("serves the same agent as agents.…: keep one of them", good+"agents: {one: {project: p, agent: a}, two: {project: p, agent: a}}\n"),
		file("is …: write one of …", "executors: {gpt: {type: opnai}}\nagents: {support: {executor: gpt}}\n"),
		file("is missing: write one of …", "executors: {gpt: {model: m}}\nagents: {support: {executor: gpt}}\n"),
		file("is missing: write the id of the project on …", good+"agents: {support: {agent: a}}\n"),
		file("is missing: write the id of the agent on …", good+"agents: {support: {project: p}}\n"),
		file("is …, which is too short to wait for a lost message (settle, …) and send it again (response_timeout, …): write … or more", agent("exchange_timeout: 1s")),
		file("is …, which is too short for executors.…: its timeout is …, and time to record the answer comes on top. Write … or more, or lower that",
			"executors: {gpt: {type: openai, model: m, api_key: \"${KEY}\", timeout: 10m}}\nagents: {support: {executor: gpt}}\n"),

		{code: 2, file: alone, environ: []string{"OTEL_TRACES_EXPORTER=zipkin"}, want: "OTEL_TRACES_EXPORTER: … is not supported: use otlp, console or none"},
		{code: 2, file: alone, environ: []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=smoke"}, want: "…: … is not supported: use grpc or http/protobuf"},
		{code: 2, file: alone, environ: []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=some"},
			want: "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: … is not known: use span_only (the same as true) or no_content"},
		{code: 1, file: alone, args: []string{"--health-addr", listening(t)}, want: `health: … is in use, perhaps by another worker (choose another with --health-addr, 127.0.0.1:0 for any, "" for none)`},
		{code: 1, file: alone, args: []string{"--health-addr", "192.0.2.1:8089"}, want: "health: cannot listen at …: … (--health-addr wants host:port)"},
	}
	all = append(all, platformStarts(t)...)
	return append(all, temporalStarts(t)...)
}

// alone2 is an agent without a platform, with an executor of these settings.
func alone2(settings string) string {
	return "executors: {it: {type: " + settings + "}}\nagents: {support: {executor: it}}\n"
}

// bomb is a small file that would be a large one.
func bomb() string {
	var b strings.Builder
	for _, c := range "bcdefghij" {
		b.WriteString(string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+", ", 9) + "*" + string(c-1) + "]\n")
	}
	return b.String()
}

// listening is an address that is taken.
func listening(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

func platformStarts(t *testing.T) []start {
	t.Helper()
	answering := func(status int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"detail": "no"}`))
		}))
		t.Cleanup(server.Close)
		return "platforms: {main: {type: onerun, base_url: \"" + server.URL + "\", api_key: \"${KEY}\"}}\n" + served
	}
	partner, err := sim.New(sim.Config{APIKey: testKey})
	require.NoError(t, err)
	practice := httptest.NewServer(partner.Handler())
	t.Cleanup(func() { practice.Close(); _ = partner.Close() })
	return []start{
		{code: 2, file: answering(http.StatusUnauthorized), want: "platforms.…: …: 401 Unauthorized: …"},
		{code: 2, file: answering(http.StatusNotFound), want: "platforms.…: …: 404 Not Found: …"},
		{code: 2, file: strings.Replace(good, "http://127.0.0.1:1", practice.URL, 1) + served, want: "agents.…: …: get …: …"},
	}
}

func temporalStarts(t *testing.T) []start {
	t.Helper()
	at := func(s *connecttest.Server) []string { return []string{"TEMPORAL_ADDRESS=" + s.Start(t)} }
	wrong := connecttest.All()
	for name := range wrong {
		wrong[name] = enums.INDEXED_VALUE_TYPE_BOOL
	}
	return []start{
		{code: 1, file: alone, environ: []string{"TEMPORAL_ADDRESS=127.0.0.1:1"}, want: "temporal: no Temporal server at …: …"},
		{code: 1, file: alone, args: []string{"--temporal-wait", "1m", "--max-runtime", "200ms"}, environ: []string{"TEMPORAL_ADDRESS=127.0.0.1:1"},
			want: "process: the maximum runtime has passed before the worker began to work (…): waiting for Temporal: …"},
		{code: 2, file: alone, environ: []string{"TEMPORAL_ADDRESS=nowhere"}, want: "temporal: the address … is no host:port"},
		{code: 1, file: alone, environ: at(&connecttest.Server{Namespaces: []string{"other"}}), want: "temporal: the server at … has no namespace …"},
		{code: 1, file: alone, environ: at(&connecttest.Server{Key: "right"}), want: "temporal: the server at … refuses the credentials: …"},
		{code: 1, file: alone, environ: append(at(&connecttest.Server{}), "TEMPORAL_TLS=true"), want: "temporal: no secure connection to …: …"},
		{code: 2, file: alone, environ: []string{"TEMPORAL_PROFILE=gone"}, want: "temporal: … (check the TEMPORAL_* variables and the profile)"},
		{code: 1, file: alone, environ: at(&connecttest.Server{ReadOnly: true}), want: "temporal: namespace … lacks search attributes (…) and they cannot be added: …"},
		{code: 1, file: alone, environ: at(&connecttest.Server{Attributes: wrong}), want: "temporal: search attributes of namespace …: …"},
		{code: 2, file: goodAll, args: []string{"--max-activities", "1"}, environ: at(&connecttest.Server{Attributes: connecttest.All()}),
			want: "process: worker options: … activities at once leave no capacity for conversations: polling takes one for each of … agents (raise --max-activities or Options.MaxActivities)"},
	}
}

// elsewhere are rows that no case causes here, and why.
var elsewhere = map[string]string{
	"temporal: the server at …: …":                                                            "needs a server that calls the first request invalid; no real one is known to",
	"temporal: search attributes were added to namespace … but are not usable yet: …":         "takes half a minute",
	"process: version … cannot continue open workflows (…), so this worker does not start: …": "internal/endtoend has two real builds for it",
}

// Each row is what a worker says that is started so.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	all := rows(t)
	caused := make(map[string]bool)
	for _, s := range starts(t) {
		caused[s.want] = true
		require.Contains(t, all, s.want, "no row of the page")
		t.Run(s.want, func(t *testing.T) {
			t.Parallel()
			environ := append([]string{"KEY=" + testKey, "HOME=" + t.TempDir()}, s.environ...)
			args := s.args
			if s.file != "" {
				path := filepath.Join(t.TempDir(), "parley.yaml")
				require.NoError(t, os.WriteFile(path, []byte(s.file), 0o600))
				environ = append(environ, "PARLEY_CONFIG="+path)
			}
			if !slices.Contains(args, "--health-addr") {
				args = append([]string{"--health-addr", ""}, args...)
			}
			if !slices.Contains(args, "--temporal-wait") && !slices.Contains(args, "--dev") {
				args = append([]string{"--temporal-wait", "0"}, args...)
			}
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append([]string{"--log-level", "error"}, args...), environ, &stdout, &stderr)
			require.Regexp(t, matcher(s.want), stderr.String())
			require.Equal(t, s.code, code, stderr.String())
			require.NotContains(t, stderr.String(), "goroutine")
		})
	}
	for _, r := range all {
		if !caused[r] && elsewhere[r] == "" {
			t.Errorf("no start causes %q: is the row still right?", r)
		}
	}
}

// matcher finds a row in a line of output.
func matcher(row string) *regexp.Regexp {
	return regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(row), "…", ".+"))
}
