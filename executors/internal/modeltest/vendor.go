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

// A Vendor describes a model API and the executor that calls it. [Run] tests what
// holds for every vendor; each vendor's own tests cover the rest.
type Vendor struct {
	// Name is the prefix of the executor's errors; Provider is in its results.
	Name, Provider string
	// New makes an executor for the model test-1 with the secrets Key (in
	// KeyHeader) and HeaderKey (in X-Gateway-Key).
	New       func(Settings) (Backend, error)
	KeyHeader string
	// ForeignKey is another key in this vendor's format. Errors must not show it
	// either.
	ForeignKey string

	// Handler answers requests with the texts, streamed if requested, and rejects
	// what the real API would reject.
	Handler func(t *testing.T, texts ...string) http.Handler
	// Whole returns a whole answer of the model test-1-0601.
	Whole func(text string) string
	// A streamed answer is Begin, a Delta for each piece, and End. Thinking is a
	// piece that is not part of the answer.
	Begin           []string
	Delta, Thinking func(text string) string
	End             []string
	// Begun is the usage known after Begin and a Delta, Known the one of Whole and
	// End.
	Begun, Known conversation.Usage

	// Fail responds with the given failure.
	Fail func(w http.ResponseWriter, want executortest.Failure)
	// Error is the body of an error with the text in every field; ErrorEvent is an
	// error in the middle of a stream.
	Error      func(status int, text string) string
	ErrorEvent func(text string) string
	// ModelPath is the path that Check requests.
	ModelPath string
}

// A Backend is a vendor's executor.
type Backend interface {
	executors.Executor
	executors.Checker
}

// Settings are the settings that the tests for all vendors use.
type Settings struct {
	// BaseURL is the address of a test server. Empty: the vendor's own.
	BaseURL string
	Client  *http.Client
	Whole   bool // do not stream
	NoKey   bool

	Timeout, FirstTokenTimeout time.Duration
}

// At returns settings for a test server.
func At(server *httptest.Server) Settings {
	return Settings{BaseURL: server.URL, Client: server.Client()}
}

// via returns settings for the vendor's own address over the given transport.
func via(transport http.RoundTripper) Settings {
	return Settings{Client: &http.Client{Transport: transport}}
}

func (v Vendor) create(t *testing.T, s Settings) Backend {
	t.Helper()
	e, err := v.New(s)
	require.NoError(t, err)
	return e
}

// asking makes an executor with a server that has this handler.
func (v Vendor) asking(t *testing.T, whole bool, h http.Handler) Backend {
	t.Helper()
	s := At(NewServer(t, h))
	s.Whole = whole
	return v.create(t, s)
}

// modes are the two ways to call; the values are those of [Settings.Whole].
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

// events returns a streamed answer.
func (v Vendor) events(texts ...string) []string {
	out := v.Begin[:len(v.Begin):len(v.Begin)]
	for _, text := range texts {
		out = append(out, v.Delta(text))
	}
	return append(out, v.End...)
}

// Run tests what holds for every vendor.
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
		"Reported":                 v.reported,
		"Waits":                    v.waits,
		"Streams":                  v.streams,
		"BrokenConnections":        v.brokenConnections,
		"NoRetries":                v.noRetries,
		"NoRetryOnAKeptConnection": v.noRetryOnAKeptConnection,
		"RedirectsAreNotFollowed":  v.redirectsAreNotFollowed,
		"NoErrorHoldsAKey":         v.noErrorHoldsAKey,
		"CancelledMidway":          v.cancelledMidway,
		"Timers":                   v.timers,
		"Forms":                    v.forms,
		"StreamsUnbidden":          v.streamsUnbidden,
		"EndlessStreams":           v.endlessStreams,
		"Thoughts":                 v.thoughts,
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

// doesNotStream requests a stream from a server that supports none.
func (v Vendor) doesNotStream(t *testing.T) {
	e := v.asking(t, false, Response{Status: http.StatusOK, Body: v.Whole("Hello")})
	res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, "Hello", res.Message.Text())
	require.Equal(t, v.Known, res.Usage)
}
