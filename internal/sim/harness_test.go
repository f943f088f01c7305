package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

const testKey = "test-key"

// A bench is a simulator and a client that talks to it.
type bench struct {
	*sim.Simulator
	t       testing.TB
	handler http.Handler
	clock   *clock
	key     string
	seeded  sim.Seeded
}

// A clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newBench makes an empty simulator with the test key and a clock of its own.
func newBench(t testing.TB, cfg sim.Config) *bench {
	t.Helper()
	b := &bench{t: t, clock: &clock{now: time.Date(2025, 9, 20, 9, 0, 0, 500_000_000, time.UTC)}, key: testKey}
	cfg.APIKey = testKey
	if cfg.Clock == nil {
		cfg.Clock = b.clock.read
	}
	var err error
	b.Simulator, err = sim.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	b.handler = b.Handler()
	return b
}

// seed makes a simulation.
func (b *bench) seed(setup sim.Setup) *bench {
	b.t.Helper()
	var err error
	b.seeded, err = b.Seed(b.t.Context(), setup)
	require.NoError(b.t, err)
	return b
}

// setup is newBench with a simulation.
func setup(t testing.TB, cfg sim.Config, s sim.Setup) *bench {
	t.Helper()
	return newBench(t, cfg).seed(s)
}

// An answer is a response.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any // nil if the answer is not a JSON object
}

func (a answer) detail() any { return a.body["detail"] }

func (a answer) data() []map[string]any {
	list, _ := a.body["data"].([]any)
	out := []map[string]any{}
	for _, e := range list {
		out = append(out, e.(map[string]any))
	}
	return out
}

func (a answer) ids() []string {
	var out []string
	for _, e := range a.data() {
		out = append(out, e["id"].(string))
	}
	return out
}

// output is the persona's line, or empty.
func (a answer) output() string {
	list, _ := a.body["output"].([]any)
	if len(list) == 0 {
		return ""
	}
	return textOf(list[0].(map[string]any))
}

func (a answer) ended() bool { return a.body["ended"] == true }

func textOf(message map[string]any) string {
	var texts []string
	for _, c := range message["content"].([]any) {
		texts = append(texts, c.(map[string]any)["text"].(string))
	}
	return strings.Join(texts, "\n")
}

type header = map[string]string

// call does one request. A nil body is none; a string is sent as it is.
func (b *bench) call(method, path string, body any, headers ...header) answer {
	b.t.Helper()
	return b.do(b.t.Context(), method, path, body, headers...)
}

func (b *bench) do(ctx context.Context, method, path string, body any, headers ...header) (out answer) {
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		data, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		reader = bytes.NewReader(data)
	}
	req := httptest.NewRequestWithContext(ctx, method, path, reader)
	if b.key != "" {
		req.Header.Set("X-Api-Key", b.key)
	}
	for _, h := range headers {
		for k, v := range h {
			req.Header.Set(k, v)
		}
	}
	w := httptest.NewRecorder()
	defer func() {
		if r := recover(); r != nil && r != http.ErrAbortHandler {
			panic(r)
		} else if r != nil {
			out = answer{status: 0}
		}
	}()
	b.handler.ServeHTTP(w, req)
	out = answer{status: w.Code, header: w.Header(), text: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &out.body)
	return out
}

// get, post and talk expect success.

func (b *bench) get(path string) answer {
	b.t.Helper()
	a := b.call("GET", path, nil)
	require.Equal(b.t, 200, a.status, a.text)
	return a
}

func (b *bench) post(path string, body any) answer {
	b.t.Helper()
	a := b.call("POST", path, body)
	require.Equal(b.t, 200, a.status, a.text)
	return a
}

// q adds the project to a path.
func (b *bench) q(path string) string {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + "project_id=" + b.seeded.ProjectID
}

// sim is the path of the n-th simulation, or of something below it.
func (b *bench) sim(n int, below string) string {
	return b.q("/v1/simulations/" + b.seeded.SimulationIDs[n] + below)
}

// conversations are the ids of the n-th simulation's, oldest first.
func (b *bench) conversations(n int) []string {
	b.t.Helper()
	var all []string
	for offset := 0; ; offset += 100 {
		page := b.get(b.sim(n, fmt.Sprintf("/conversations?limit=100&offset=%d", offset)))
		for _, id := range page.ids() {
			all = append([]string{id}, all...)
		}
		if page.body["has_more"] == false {
			return all
		}
	}
}

// conv is the path of something below a conversation of the first simulation.
func (b *bench) conv(id, below string) string { return b.sim(0, "/conversations/"+id+below) }

// says is the body of a responses call with one message to each text.
func says(texts ...string) map[string]any {
	input := []any{}
	for _, t := range texts {
		input = append(input, map[string]any{"type": "message", "content": []any{map[string]any{"type": "text", "text": t}}})
	}
	return map[string]any{"input": input}
}

// transcript is "role: text" of every item.
func (b *bench) transcript(id string) []string {
	b.t.Helper()
	out := []string{}
	for _, item := range b.post(b.conv(id, "/items"), nil).data() {
		out = append(out, item["role"].(string)+": "+textOf(item))
	}
	return out
}

// run takes a conversation to its end, as a careful worker does.
func (b *bench) run(id string, agent []string) {
	b.t.Helper()
	b.post(b.conv(id, "/start"), nil)
	reply := b.post(b.conv(id, "/responses"), `{"input": null}`)
	for i := 0; !reply.ended(); i++ {
		require.Less(b.t, i, 50)
		reply = b.post(b.conv(id, "/responses"), says(agent[min(i, len(agent)-1)]))
	}
}

// playerFunc is a persona for tests.
type playerFunc func(ctx context.Context, turn sim.PersonaTurn) (string, bool, error)

func (f playerFunc) Reply(ctx context.Context, turn sim.PersonaTurn) (string, bool, error) {
	return f(ctx, turn)
}

// chatty never leaves.
var chatty = playerFunc(func(_ context.Context, turn sim.PersonaTurn) (string, bool, error) {
	return fmt.Sprintf("persona %d", len(turn.Messages)), false, nil
})

// saying always says the same.
func saying(text string, end bool) sim.Player {
	return playerFunc(func(context.Context, sim.PersonaTurn) (string, bool, error) { return text, end, nil })
}

// blocking announces each call on asked and answers once release is closed.
func blocking(asked chan<- struct{}, release <-chan struct{}) sim.Player {
	return playerFunc(func(context.Context, sim.PersonaTurn) (string, bool, error) {
		asked <- struct{}{}
		<-release
		return "well", false, nil
	})
}
