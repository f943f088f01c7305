//go:build conformance

package iiinode_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	iiinode "github.com/parley-run/parley/conformance/iii_node"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

// TestFeatures has each SDK use what it offers beside calls and triggers: channels
// with our client at the other end, the rest with the practice engine.
func TestFeatures(t *testing.T) {
	t.Parallel()
	home := iiinode.Install(t)
	for _, sdk := range iiinode.SDKs() {
		for _, era := range eras {
			t.Run(fmt.Sprintf("%s/%s", sdk, era), func(t *testing.T) {
				t.Parallel()
				f := newFeatures(t, home, sdk, era)
				t.Run("logs", f.logs)
				t.Run("http trigger", f.httpTrigger)
				t.Run("telemetry", f.telemetry)
				if sdk != "iii-sdk-0.3.0" { // which has none of these
					t.Run("channels", f.channels)
					t.Run("http stream", f.httpStream)
					t.Run("http functions", f.httpFunctions)
				}
				require.Empty(t, f.e.Faults(), "every message was one an engine takes")
			})
		}
	}
}

type features struct {
	sdk      string
	era      iii.Era
	e        *iiitest.Engine
	w        *iii.Worker
	site     *httptest.Server   // the engine's HTTP port
	requests chan *http.Request // of the functions that the engine runs
	heard    chan iiitest.LogRecord
}

func newFeatures(t *testing.T, home, sdk string, era iii.Era) *features {
	f := &features{sdk: sdk, era: era, requests: make(chan *http.Request, 10), heard: make(chan iiitest.LogRecord, 10)}
	f.e = iiitest.Start(t, iiitest.Options{Era: era, Getenv: func(name string) string {
		return map[string]string{"TOKEN": "t0ken", "SECRET": "hush"}[name]
	}})
	f.site = httptest.NewServer(f.e.HTTPHandler())
	t.Cleanup(f.site.Close)
	remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.requests <- r
		_, _ = io.WriteString(w, `{"remote":true}`)
	}))
	t.Cleanup(remote.Close)
	var err error
	f.w, err = iii.Connect(t.Context(), iii.Options{URL: f.e.URL(), Name: "go"})
	require.NoError(t, err)
	t.Cleanup(f.w.Close)
	for id, h := range map[string]iii.Handler{
		"go::upper": f.upper,
		"go::heard": iii.Typed(func(_ context.Context, r iiitest.LogRecord) (any, error) { f.heard <- r; return nil, nil }),
	} {
		_, err = f.w.RegisterFunction(iii.Function{ID: id, Handler: h})
		require.NoError(t, err)
	}
	iiinode.StartFeatures(t, home, sdk, f.e.URL(), remote.URL)
	last := "node::signed"
	if sdk == "iii-sdk-0.3.0" {
		last = "node::plain"
	}
	require.NoError(t, f.e.Wait(soon(t), func() bool {
		return f.e.Serves("", last) && f.e.Serves("", "go::heard") && f.e.Bound("log", "node::log") == 1 && f.e.Bound("http", "node::plain") == 1
	}))
	return f
}

// upper works with channel ends that the other side has made.
func (f *features) upper(ctx context.Context, call iii.Invocation) (any, error) {
	refs := iii.ChannelRefs(call.Data)
	in, err := f.w.OpenReader(ctx, refs["/nested/0/input"])
	if err != nil {
		return nil, err
	}
	out, err := f.w.OpenWriter(ctx, refs["/output"])
	if err != nil {
		return nil, err
	}
	in.OnMessage = func(m string) { err = errors.Join(err, out.SendMessage("heard "+m)) }
	all, readErr := io.ReadAll(in)
	_, writeErr := out.Write(bytes.ToUpper(all))
	return nil, errors.Join(err, readErr, writeErr, out.Close())
}

func (f *features) channels(t *testing.T) {
	text := strings.Repeat("channel ", 100_000)
	// The SDK works with our channels.
	there, err := f.w.CreateChannel(soon(t), 0)
	require.NoError(t, err)
	back, err := f.w.CreateChannel(soon(t), 2)
	require.NoError(t, err)
	out, err := f.w.OpenWriter(t.Context(), there.Writer)
	require.NoError(t, err)
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(out, text)
		sent <- errors.Join(out.SendMessage("ünïcode ☂"), err, out.Close())
	}()
	answered := make(chan error, 1)
	go func() {
		_, err := f.w.Invoke(soon(t), "node::upper", map[string]any{"input": there.Reader, "output": back.Writer})
		answered <- err
	}()
	in, err := f.w.OpenReader(soon(t), back.Reader)
	require.NoError(t, err)
	var messages []string
	in.OnMessage = func(m string) { messages = append(messages, m) }
	all, err := io.ReadAll(in)
	require.NoError(t, err)
	require.Equal(t, strings.ToUpper(text), string(all))
	require.Equal(t, []string{"heard ünïcode ☂"}, messages)
	require.NoError(t, <-sent)
	require.NoError(t, <-answered)

	// Ours works with the SDK's.
	result, err := f.w.Invoke(soon(t), "node::channel", map[string]string{"text": text, "message": "☂"})
	require.NoError(t, err)
	var said struct {
		Text     string
		Messages []string
	}
	require.NoError(t, json.Unmarshal(result, &said))
	require.Equal(t, strings.ToUpper(text), said.Text)
	require.Equal(t, []string{"heard ☂"}, said.Messages)
	require.NoError(t, f.e.Wait(soon(t), func() bool { return f.e.Channels() == 0 }), "both ends are done")
}

func (f *features) request(t *testing.T, method, path, contentType, body string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(soon(t), method, f.site.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", contentType)
	response, err := f.site.Client().Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	all, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(all)
}

func (f *features) httpTrigger(t *testing.T) {
	response, body := f.request(t, "POST", "/plain/7?q=x", "application/json", `{"n":1}`)
	require.Equal(t, http.StatusCreated, response.StatusCode)
	require.JSONEq(t, `{"id":"7","q":"x","body":{"n":1}}`, body)
	if f.era >= iii.EraC {
		require.Equal(t, "POST", response.Header.Get("X-Method"))
	}
}

func (f *features) httpStream(t *testing.T) {
	text := strings.Repeat("stream ", 50_000)
	response, body := f.request(t, "PUT", "/page", "text/plain", text)
	require.Equal(t, http.StatusNonAuthoritativeInfo, response.StatusCode)
	require.Equal(t, "text/x-shout", response.Header.Get("Content-Type"))
	require.Equal(t, strings.ToUpper(text), body)
}

func (f *features) httpFunctions(t *testing.T) {
	for _, id := range []string{"node::remote", "node::signed"} {
		result, err := f.w.Invoke(soon(t), id, map[string]int{"n": 1})
		require.NoError(t, err)
		require.JSONEq(t, `{"remote":true}`, string(result))
		r := <-f.requests
		require.Equal(t, id, r.Header.Get("x-iii-Function-Path"))
		if id == "node::remote" {
			require.Equal(t, "PUT", r.Method)
			require.Equal(t, "Bearer t0ken", r.Header.Get("Authorization"))
			require.Equal(t, "acme", r.Header.Get("X-Tenant"))
		} else {
			require.Contains(t, r.Header.Get("x-iii-Signature"), "sha256=")
		}
	}
}

func (f *features) logs(t *testing.T) {
	slog.New(iii.NewLogHandler(f.w, iii.LogOptions{})).Warn("from go", "n", 1)
	got := <-f.heard
	require.Equal(t, "from go", got.Body)
	require.Equal(t, "go", got.ServiceName)
	_, err := f.w.Invoke(soon(t), "node::logs", map[string]int{"n": 2})
	require.NoError(t, err)
	got = <-f.heard
	require.Equal(t, "from node", got.Body)
	require.Contains(t, string(got.Attributes), `"n":2`)
}

// The SDKs' own spans and metrics are what the practice engine takes ours for. Older
// SDKs use the workers' path, newer ones a path that older engines do not have.
func (f *features) telemetry(t *testing.T) {
	path, span := "/otel", "call node::logs"
	switch {
	case f.sdk == "iii-sdk-0.3.0":
		path = "/"
	case f.era < iii.EraC:
		return
	case f.sdk == "iii-sdk-0.22.1":
		span = "execute node::logs"
	}
	require.NoError(t, f.e.Wait(soon(t), func() bool {
		return slices.ContainsFunc(f.e.Telemetry(), func(frame iiitest.Telemetry) bool { return frame.Signal == "MTRC" && frame.Path == path }) &&
			slices.Contains(f.e.Spans(), span)
	}), span)
}
