package wire

import (
	"errors"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/foreign"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/plainjson"
)

// Error returns the message.
func (e *Error) Error() string {
	if e.Message == "" {
		return "the agent reports an error"
	}
	return "the agent reports: " + conversation.Quote(e.Message)
}

// reported is what the error says in the words of model vendors and gateways, which agents
// pass on.
func (e *Error) reported() apierror.Error {
	if e.report != nil {
		return *e.report
	}
	return apierror.OfText(e.Message)
}

// A Failure turns a failure into an error with a kind.
type Failure struct {
	// Op names the operation.
	Op string
	// Clean prepares the agent's text for an error: bounded and without secrets.
	Clean func(string) string
	// Remedies name, by kind, the settings to check if the agent states no remedy.
	Remedies map[conversation.Kind]string
}

// Reported returns the error that the agent reported, with the HTTP status of the
// response, or 0, and the delay of its header.
func (f Failure) Reported(e *Error, status int, retryAfter time.Duration) *conversation.Error {
	report := e.reported()
	retryAfter = max(retryAfter, httpclient.Delay(e.RetryAfter, time.Second), report.RetryAfter)
	kind, ok := ParseKind(e.Kind)
	if !ok {
		kind = report.Kind(status, retryAfter, apierror.Table{})
	}
	text := e.Error()
	if status != 0 {
		text = modelcall.ErrorText(status, e.Message)
	}
	out := &conversation.Error{Kind: kind, Op: f.Op, RetryAfter: retryAfter, Err: errors.New(f.Clean(text))}
	if out.Remedy = f.Clean(conversation.Quote(e.Remedy)); out.Remedy == "" {
		out.Remedy = f.Remedies[kind]
	}
	return out
}

// Broken returns the error for an unusable answer.
func (f Failure) Broken(err error) *conversation.Error {
	out := &conversation.Error{Kind: conversation.Unavailable, Op: f.Op, Err: errors.New(f.Clean(plainjson.Error(err).Error()))}
	switch {
	case errors.Is(err, modelcall.ErrTooLarge):
		out.Kind, out.Remedy = conversation.Invalid, "have the agent answer with less"
	case errors.Is(err, ErrNotJSON), errors.Is(err, ErrOffContract):
		out.Kind, out.Remedy = conversation.Invalid, f.Remedies[conversation.Invalid]
	case errors.Is(err, errFiltered):
		out.Kind = conversation.Refused
	}
	return out
}

// Lost returns the error for an answer over HTTP that is lost or unusable.
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

// foreign returns the error for an answer of a server in front of the agent.
func (f Failure) foreign(e *foreign.Error) *conversation.Error {
	out := &conversation.Error{
		Kind: conversation.Unavailable, Op: f.Op, Err: e.Clean(f.Clean), RetryAfter: e.RetryAfter,
		Remedy: "check that url leads to the agent",
	}
	switch {
	case e.Status < 300 && e.What != foreign.Page: // it may be an agent that does not keep to the contract
		out.Remedy = f.Remedies[conversation.Invalid]
	case e.What == foreign.TooLarge:
		out.Remedy = modelcall.RemedyTooLarge
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

// ParseKind returns the kind of that name, ignoring case and underscores.
func ParseKind(name string) (conversation.Kind, bool) {
	name = strings.NewReplacer("_", "", "-", "").Replace(name)
	for _, kind := range kinds {
		if strings.EqualFold(name, string(kind)) {
			return kind, true
		}
	}
	return "", false
}

// StatusKind returns the kind of an HTTP status without a reported kind; status 0
// means none.
func StatusKind(status int, retryAfter time.Duration) conversation.Kind {
	return apierror.StatusKind(status, retryAfter)
}
