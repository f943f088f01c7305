package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/logtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"simulator": Main,
		"agent":     func() { os.Exit(agentMain()) },
	})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("ADDR", freeAddr(t))
			env.Setenv("NO_PROXY", "127.0.0.1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"listening": listening, "mode": mode},
	})
}

func freeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// listening waits until something listens at an address.
func listening(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		c, err := net.Dial("tcp", args[0])
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nothing listens at %s: %v", args[0], err)
		}
		time.Sleep(10 * time.Millisecond) // another process: there is nothing to wait on
	}
}

// mode checks a file's permissions: mode -rw------- file.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := info.Mode().String(); got != args[0] {
		ts.Fatalf("%s has mode %s", args[1], got)
	}
}

// agentMain is a worker: it runs every waiting conversation of the agent in the
// environment to its end. The arguments are its messages.
func agentMain() int {
	w := &agent{
		base: os.Getenv("ONERUN_API_BASE_URL"), key: os.Getenv("ONERUN_API_KEY"), project: os.Getenv("ONERUN_PROJECT_ID"), says: os.Args[1:],
	}
	if err := w.work(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

type agent struct {
	base, key, project string
	says               []string
}

type listed struct {
	Data []struct {
		ID string `json:"id"`
	} `json:"data"`
}

func (w *agent) work() error {
	var simulations listed
	if err := w.call("GET", "/v1/simulations?status=in_progress&", nil, &simulations); err != nil {
		return err
	}
	for _, s := range simulations.Data {
		base := "/v1/simulations/" + s.ID + "/conversations"
		var waiting listed
		if err := w.call("GET", base+"?status=queued&limit=100&", nil, &waiting); err != nil {
			return err
		}
		for _, c := range waiting.Data {
			if err := w.talk(base + "/" + c.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *agent) talk(path string) error {
	if err := w.call("POST", path+"/start?", nil, nil); err != nil {
		return err
	}
	body := any(map[string]any{"input": nil})
	for i := 0; ; i++ {
		var reply struct {
			Ended bool `json:"ended"`
		}
		if err := w.call("POST", path+"/responses?", body, &reply); err != nil || reply.Ended {
			return err
		}
		text := w.says[min(i, len(w.says)-1)]
		body = map[string]any{"input": []any{map[string]any{"type": "message", "content": []any{map[string]any{"type": "text", "text": text}}}}}
	}
}

func (w *agent) call(method, path string, body, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(context.Background(), method, w.base+path+"project_id="+w.project, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("X-Api-Key", w.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s %s %w", method, path, resp.Status, text, err)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// A process is the command in this process.
type process struct {
	env    map[string]string
	stderr *logtest.Buffer
	code   chan int
	stop   context.CancelFunc
}

func noEnv(string) (string, bool) { return "", false }

// start runs the command until it has printed its environment.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	p := &process{env: map[string]string{}, stderr: &logtest.Buffer{}, code: make(chan int, 1), stop: cancel}
	file := filepath.Join(t.TempDir(), "env")
	args = append(args, "--env-file", file)
	go func() {
		p.code <- run(ctx, args, noEnv, w, p.stderr)
		_ = w.Close()
	}()
	bufio.NewScanner(r).Scan() // the file is there
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "export ")), "=")
		require.True(t, ok, line)
		p.env[name] = value
	}
	require.Len(t, p.env, 4, p.stderr.String())
	go func() { _, _ = io.Copy(io.Discard, r) }()
	t.Cleanup(func() { cancel(); _ = r.Close() })
	return p
}

func (p *process) agent(says ...string) *agent {
	return &agent{p.env["ONERUN_API_BASE_URL"], p.env["ONERUN_API_KEY"], p.env["ONERUN_PROJECT_ID"], says}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	p := start(t, "--addr", "127.0.0.1:0", "--api-key", "it's")
	require.Equal(t, `'it'\''s'`, p.env["ONERUN_API_KEY"])
	p.stop()
	require.Equal(t, 0, <-p.code)
	require.Contains(t, p.stderr.String(), "in progress, 8 queued")
}

// A thinking persona must not keep the command from stopping.
func TestInterruptWhileThinking(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes the whole time of grace")
	}
	p := start(t, "--addr", "127.0.0.1:0", "--latency", "1h", "--conversations", "1", "--log-level", "debug")
	failed := make(chan error, 1)
	go func() { failed <- p.agent("hi").work() }()
	require.Eventually(t, func() bool { return strings.Contains(p.stderr.String(), "operation=start") }, time.Minute, 5*time.Millisecond)
	p.stop()
	require.Equal(t, 0, <-p.code)
	require.Error(t, <-failed)
}

func TestPorts(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	taken := l.Addr().String()

	var stderr bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"--addr", taken, "--api-key", "k"}, noEnv, io.Discard, &stderr))
	require.Contains(t, stderr.String(), "--next-free-port")

	p := start(t, "--addr", taken, "--next-free-port")
	require.NotContains(t, p.env["ONERUN_API_BASE_URL"], taken)
	p.stop()
	require.Equal(t, 0, <-p.code)
}

func TestStateOverRestarts(t *testing.T) {
	t.Parallel()
	args := []string{"--addr", "127.0.0.1:0", "--state", filepath.Join(t.TempDir(), "state"), "--conversations", "2"}
	one := start(t, args...)
	one.stop()
	require.Equal(t, 0, <-one.code)
	two := start(t, args...)
	require.Equal(t, one.env["ONERUN_PROJECT_ID"], two.env["ONERUN_PROJECT_ID"])
	require.Equal(t, one.env["ONERUN_AGENT_ID"], two.env["ONERUN_AGENT_ID"])
	require.NoError(t, two.agent("no").work())
	two.stop()
	require.Equal(t, 0, <-two.code)
	require.Contains(t, two.stderr.String(), "completed, 2 ended")
}

// A model plays the personas: the swapped roles and the instructions reach it.
func TestPersonaModel(t *testing.T) {
	t.Parallel()
	asked := make(chan map[string]any, 100)
	model := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		asked <- body
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, `data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"Never mind. [END]"},"finish_reason":null}]}`+"\n\n")
		fmt.Fprint(w, `data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = model.Serve(l) }()
	t.Cleanup(func() { _ = model.Close() })

	p := start(t, "--addr", "127.0.0.1:0", "--conversations", "1", "--exit-when-done",
		"--persona-model", "tiny", "--persona-base-url", "http://"+l.Addr().String()+"/v1")
	require.NoError(t, p.agent("hi").work(), p.stderr.String())
	require.Equal(t, 0, <-p.code)
	body := <-asked
	require.Equal(t, "tiny", body["model"])
	messages := body["messages"].([]any)
	require.Equal(t, "system", messages[0].(map[string]any)["role"])
	require.Contains(t, p.stderr.String(), "1 persona decided")
}
