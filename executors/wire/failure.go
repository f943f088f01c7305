package wire

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/foreign"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/plainjson"
)

// Error is the message, so that a frame's error can be returned as one.
func (e *Error) Error() string {
	if e.Message == "" {
		return "the agent reports an error"
	}
	return "the agent reports: " + conversation.Quote(e.Message)
}

// A Failure turns what went wrong into an error with a kind.
type Failure struct {
	// Op says what was tried.
	Op string
	// Clean makes the agent's words fit for an error: short and without secrets.
	Clean func(string) string
	// Remedies say, by kind, which settings to look at where the agent does not
	// say what to do.
	Remedies map[conversation.Kind]string
}

// Reported is the error that the agent reported, with the HTTP status that came
// with it, if any, and the delay asked for in a header.
func (f Failure) Reported(e *Error, status int, retryAfter time.Duration) *conversation.Error {
	if retryAfter == 0 {
		retryAfter = seconds(e.RetryAfter)
	}
	kind, ok := ParseKind(e.Kind)
	if !ok {
		kind = StatusKind(status, retryAfter)
	}
	text := e.Error()
	if status != 0 {
		text = modelcall.Said(status, e.Message)
	}
	out := &conversation.Error{Kind: kind, Op: f.Op, RetryAfter: retryAfter, Err: errors.New(f.Clean(text))}
	if out.Remedy = f.Clean(conversation.Quote(e.Remedy)); out.Remedy == "" {
		out.Remedy = f.Remedies[kind]
	}
	return out
}

// Broken is the error for an answer that came and cannot be used.
func (f Failure) Broken(err error) *conversation.Error {
	out := &conversation.Error{Kind: conversation.Unavailable, Op: f.Op, Err: errors.New(f.Clean(plainjson.Error(err).Error()))}
	switch {
	case errors.Is(err, modelcall.ErrTooLarge):
		out.Kind, out.Remedy = conversation.Invalid, "have the agent say less"
	case errors.Is(err, ErrNotJSON), errors.Is(err, ErrOffContract):
		out.Kind, out.Remedy = conversation.Invalid, f.Remedies[conversation.Invalid]
	case errors.Is(err, errFiltered):
		out.Kind = conversation.Refused
	}
	return out
}

// Lost is the error for an answer over HTTP that did not get through, or came and
// cannot be used.
func (f Failure) Lost(err error) *conversation.Error {
	if unsent := httpclient.Unsent(f.Op, err); unsent != nil {
		return unsent
	}
	if e, ok := modelcall.IsForeign(err); ok {
		return f.foreign(e)
	}
	kind, remedy, cause := modelcall.Unreached(err, "url", "the agent")
	out := f.Broken(cause)
	if remedy != "" {
		out.Kind, out.Remedy = kind, remedy
	}
	return out
}

// foreign is the error for an answer of something in front of the agent.
func (f Failure) foreign(e *foreign.Error) *conversation.Error {
	out := &conversation.Error{
		Kind: conversation.Unavailable, Op: f.Op, Err: e.Clean(f.Clean), RetryAfter: e.RetryAfter,
		Remedy: "check that url leads to the agent",
	}
	switch {
	case e.Status < 300 && e.What != foreign.Page: // it may be an agent that keeps to nothing
		out.Remedy = f.Remedies[conversation.Invalid]
	case e.Redirects():
		out.Remedy = "set url to where the server redirects: keys do not follow by themselves"
	}
	return out
}

// kinds are those that an agent can report. The others are for platforms.
var kinds = []conversation.Kind{
	conversation.RateLimited, conversation.QuotaExhausted, conversation.Unauthorized, conversation.Unavailable,
	conversation.ContextTooLong, conversation.Refused, conversation.Invalid,
}

// ParseKind finds the kind of that name. Case and underscores do not matter.
func ParseKind(name string) (conversation.Kind, bool) {
	name = strings.NewReplacer("_", "", "-", "").Replace(name)
	for _, kind := range kinds {
		if strings.EqualFold(name, string(kind)) {
			return kind, true
		}
	}
	return "", false
}

// StatusKind is what an HTTP status means where nothing else says; 0 stands for
// none.
func StatusKind(status int, retryAfter time.Duration) conversation.Kind {
	switch status {
	case http.StatusUnavailableForLegalReasons:
		return conversation.Refused
	case http.StatusLocked:
		return conversation.Unavailable
	}
	return modelcall.StatusKind(status, retryAfter)
}

func seconds(n float64) time.Duration {
	if math.IsNaN(n) || n <= 0 {
		return 0
	}
	return time.Duration(min(n*float64(time.Second), float64(modelcall.MaxRetryAfter)))
}
