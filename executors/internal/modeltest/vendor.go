package modeltest

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
)

// A Vendor is an API of a model, as it is spoken on the wire, and the executor
// that asks through it. [Run] shows what holds for every vendor; each shows in
// tests of its own what is special to it.
type Vendor struct {
	// Name begins the executor's errors, Provider goes with its results.
	Name, Provider string
	// New makes an executor that asks the model test-1, with the secrets Key (in
	// KeyHeader) and HeaderKey (in X-Gateway-Key).
	New       func(Settings) (Backend, error)
	KeyHeader string
	// ForeignKey is what keys of this vendor look like. Errors must not show those
	// either.
	ForeignKey string

	// Handler answers requests with the texts, in pieces if asked to stream, and
	// rejects those that the real API would.
	Handler func(t *testing.T, texts ...string) http.Handler
	// Whole is an answer of the model test-1-0601 in one piece.
	Whole func(text string) string
	// Begin, a Delta for each piece and End are the events of a streamed answer.
	// Thinking is a piece of what only the model sees.
	Begin           []string
	Delta, Thinking func(text string) string
	End             []string
	// Begun is what is known of an answer's cost after Begin and a Delta, Known what
	// Whole and End tell.
	Begun, Known conversation.Usage

	// Fail answers with the failure wanted.
	Fail func(w http.ResponseWriter, want executortest.Failure)
	// Error is the body of an error that has the text in every field, ErrorEvent
	// an event in the middle of a stream.
	Error      func(status int, text string) string
	ErrorEvent func(text string) string
	// ModelPath is what Check asks for.
	ModelPath string
}

// A Backend is a vendor's executor.
type Backend interface {
	executors.Executor
	executors.Checker
}

// Settings are what the tests for all vendors set.
type Settings struct {
	// BaseURL is the address of a server of the tests. Empty: the vendor's own.
	BaseURL string
	Client  *http.Client
	Whole   bool // do not stream
	NoKey   bool

	Timeout, FirstTokenTimeout time.Duration
}

// At are the settings to ask a server of the tests.
func At(server *httptest.Server) Settings {
	return Settings{BaseURL: server.URL, Client: server.Client()}
}

// via are the settings to ask the vendor's own server, of which nothing is seen
// but the transport given.
func via(transport http.RoundTripper) Settings {
	return Settings{Client: &http.Client{Transport: transport}}
}

func (v Vendor) create(t *testing.T, s Settings) Backend {
	t.Helper()
	e, err := v.New(s)
	require.NoError(t, err)
	return e
}

// asking makes an executor that asks a server with that handler.
func (v Vendor) asking(t *testing.T, whole bool, h http.Handler) Backend {
	t.Helper()
	s := At(NewServer(t, h))
	s.Whole = whole
	return v.create(t, s)
}

// modes are the two ways to ask; the values are those of [Settings.Whole].
var modes = map[string]bool{"Streaming": false, "Whole": true}

// eachMode runs a test in both modes.
func eachMode(t *testing.T, prefix string, test func(t *testing.T, whole bool)) {
	t.Helper()
	for mode, whole := range modes {
		t.Run(prefix+mode, func(t *testing.T) {
			t.Parallel()
			test(t, whole)
		})
	}
}

// events is a streamed answer.
func (v Vendor) events(texts ...string) []string {
	out := v.Begin[:len(v.Begin):len(v.Begin)]
	for _, text := range texts {
		out = append(out, v.Delta(text))
	}
	return append(out, v.End...)
}

// Run shows what holds for every vendor.
func Run(t *testing.T, v Vendor) {
	t.Helper()
	for name, test := range map[string]func(*testing.T){
		"Contract":                 v.contract,
		"Reply":                    v.reply,
		"DoesNotStream":            v.doesNotStream,
		"CharactersAreDivided":     v.charactersAreDivided,
		"NeedsAKey":                v.needsAKey,
		"Check":                    v.check,
		"CheckIsBounded":           v.checkIsBounded,
		"Errors":                   v.errors,
		"Streams":                  v.streams,
		"BrokenConnections":        v.brokenConnections,
		"NoRetries":                v.noRetries,
		"NoRetryOnAKeptConnection": v.noRetryOnAKeptConnection,
		"RedirectsAreNotFollowed":  v.redirectsAreNotFollowed,
		"NoErrorHoldsAKey":         v.noErrorHoldsAKey,
		"CancelledMidway":          v.cancelledMidway,
		"Timers":                   v.timers,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

func (v Vendor) contract(t *testing.T) {
	eachMode(t, "", func(t *testing.T, whole bool) {
		executortest.Run(t, executortest.Fixture{
			Model:   true,
			Secrets: []string{Key, HeaderKey},
			New: func(t *testing.T) executors.Executor {
				return v.asking(t, whole, v.Handler(t, "Good ", "day! ", "Müller here."))
			},
			Stall: func(t *testing.T) executors.Executor { return v.asking(t, whole, http.HandlerFunc(stall)) },
			Fail: func(t *testing.T, want executortest.Failure) executors.Executor {
				return v.asking(t, whole, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { v.Fail(w, want) }))
			},
		})
	})
}

func (v Vendor) reply(t *testing.T) {
	eachMode(t, "", func(t *testing.T, whole bool) {
		texts := []string{"Hello ", "there. ", "🙂"}
		e := v.asking(t, whole, v.Handler(t, texts...))
		var deltas []string
		req := executortest.Request("c1", "Hi")
		req.OnDelta = func(text string) { deltas = append(deltas, text) }
		res, err := e.Execute(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, executors.Result{
			Message:      conversation.Text(conversation.RoleAssistant, "Hello there. 🙂"),
			Usage:        v.Known,
			Provider:     v.Provider,
			Model:        "test-1-0601",
			FinishReason: executors.FinishStop,
		}, res)
		if !whole {
			require.Equal(t, texts, deltas)
		}
	})
}

// doesNotStream asks a server for a stream that knows none.
func (v Vendor) doesNotStream(t *testing.T) {
	e := v.asking(t, false, Said{Status: http.StatusOK, Body: v.Whole("Hello")})
	res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, "Hello", res.Message.Text())
	require.Equal(t, v.Known, res.Usage)
}
