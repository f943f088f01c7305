package a2a

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	sdk "github.com/a2aproject/a2a-go/a2a"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/httpclient"
)

// Error codes that are handled separately.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeMethodNotFound = -32601
	codeInvalidParams  = -32602
	codeTaskNotFound   = -32001
	codeNotCancelable  = -32002
	codeNoPush         = -32003
	codeUnsupported    = -32004
	codeContentType    = -32005
	codeNoExtendedCard = -32007
	codeExtension      = -32008
)

// A fault is a JSON-RPC error of the agent.
type fault struct {
	Code    int
	Message string
	Data    json.RawMessage

	// report is what the error, or an error in another shape, says in the words of model
	// vendors and gateways, which agents pass on.
	report apierror.Error
}

// newFault reads an error of JSON-RPC, or of any other shape, and what stands beside it in
// the body.
func newFault(raw, body []byte) *fault {
	f := &fault{}
	f.report, _ = apierror.Read(body)
	var fields struct {
		Code    json.RawMessage `json:"code"`
		Message json.RawMessage `json:"message"`
		Data    json.RawMessage `json:"data"`
		Details json.RawMessage `json:"details"` // instead of data, beside an HTTP status
	}
	if json.Unmarshal(raw, &fields) == nil {
		_ = json.Unmarshal(fields.Code, &f.Code)       // a code of another type is in the report
		_ = json.Unmarshal(fields.Message, &f.Message) // and a message
		if fields.Data == nil {
			fields.Data = fields.Details
		}
		var code int
		if code, f.Data = details(fields.Data); code != 0 {
			f.Code = code
		}
	}
	if strings.Contains(f.report.Message, f.Message) {
		f.Message = f.report.Message
	}
	return f
}

func (f *fault) Error() string {
	text := "the agent reports an error"
	if f.Code != 0 {
		text = fmt.Sprintf("the agent reports error %d", f.Code)
	}
	if failure := f.text(); failure != "" {
		text += ": " + conversation.Quote(failure)
	}
	return text
}

// text returns the message, with the details in data.
func (f *fault) text() string {
	var more string
	if json.Unmarshal(f.Data, &more) != nil {
		var data struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(f.Data, &data) // other data is not readable text
		more = data.Error
	}
	switch {
	case f.Message == "" || more == f.Message:
		return cmp.Or(more, f.Message)
	case more != "":
		return f.Message + ": " + more
	}
	return f.Message
}

func (f *fault) reason() reason {
	var r reason
	r.read(f.Data)
	return r
}

// meaning is the kind that the words of the error give: an agent passes its model's on.
func (f *fault) meaning(status int) conversation.Kind {
	for _, report := range []apierror.Error{f.report, apierror.OfText(f.text())} {
		kind := report.Kind(status, 0, apierror.Table{})
		if kind != conversation.Invalid && kind != conversation.Unavailable { // the code says as much
			return kind
		}
	}
	return ""
}

// kind returns the kind of the code. Unknown codes are retryable.
func (f *fault) kind() conversation.Kind {
	switch f.Code {
	case codeParse, codeInvalidRequest, codeMethodNotFound, codeInvalidParams, codeNotCancelable, codeNoPush, codeUnsupported, codeContentType, codeNoExtendedCard, codeExtension, codeVersion:
		return conversation.Invalid
	}
	return conversation.Unavailable
}

func (f *fault) remedy() string {
	switch f.Code {
	case codeMethodNotFound, codeUnsupported, codeVersion:
		return "check protocol: the agent must know message/send and tasks/get of version 0.3 of the protocol, or SendMessage and GetTask of version 1.0"
	case codeExtension:
		return "use an agent that does without extensions of the protocol"
	case codeContentType:
		return "check accept: the agent answers with other media types, or takes no text"
	}
	return ""
}

func isTaskNotFound(err error) bool {
	var failure *fault
	return errors.As(err, &failure) && failure.Code == codeTaskNotFound
}

// A statusError is an HTTP status other than 2xx.
type statusError struct {
	status     int
	retryAfter time.Duration
	fault      *fault // nil: the body has none
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.status) }

// Unwrap makes the fault's code available to errors.As.
func (e *statusError) Unwrap() error {
	if e.fault == nil {
		return nil
	}
	return e.fault
}

// A reason is the machine-readable part of an agent's error.
type reason struct {
	kind       conversation.Kind
	retryAfter time.Duration
}

// read reads kind, code (an HTTP status) and retry_after from an object. Fields
// already read stay.
func (r *reason) read(data json.RawMessage) {
	var fields map[string]any
	if len(data) == 0 || json.Unmarshal(data, &fields) != nil {
		return
	}
	if name, _ := fields["kind"].(string); r.kind == "" {
		r.kind, _ = wire.ParseKind(name)
	}
	if wait, ok := httpclient.WaitIn(fields); ok && r.retryAfter == 0 {
		r.retryAfter = wait
	}
	for _, key := range []string{"status", "code"} {
		if n, _ := fields[key].(float64); r.kind == "" && n >= 400 && n <= 599 {
			r.kind = wire.StatusKind(int(n), r.retryAfter)
		}
	}
}

var errOnlyFiles = errors.New("the answer holds nothing but files, which cannot be passed on")

// remedies name the settings to check.
var remedies = map[conversation.Kind]string{
	conversation.Unauthorized:   "check bearer_token and headers: the agent turns them down",
	conversation.QuotaExhausted: "add credit or raise the limit where the agent gets its answers",
	conversation.ContextTooLong: "have the agent shorten what it sends its model",
	conversation.Invalid:        "check url and the agent's log",
}

// remedyLogin is the remedy for a task that requires a login.
const remedyLogin = "log in at the agent, or give it credentials"

// failed turns any failure into an error with a kind. It drops the cached card if
// that may be outdated.
func (x *exchange) failed(ctx context.Context, err error) *conversation.Error {
	var (
		out     = &conversation.Error{Op: x.failure.Op}
		timeout *modelcall.TimeoutError
		refused *statusError
		failure *fault
		state   *stateError
		bad     *cardError
		noCard  *noCardError
	)
	switch {
	case errors.As(context.Cause(ctx), &timeout):
		out.Kind, out.Err = conversation.Unavailable, timeout
	case ctx.Err() != nil:
		out.Kind, out.Err = conversation.Unavailable, ctx.Err()
	case errors.As(err, &noCard):
		return x.noCard(noCard)
	case errors.As(err, &refused):
		return x.refused(refused)
	case errors.As(err, &bad):
		out.Kind, out.Err, out.Remedy = conversation.Invalid, errors.New(x.failure.Clean(bad.Error())), bad.remedy
		return out // no request was sent
	case errors.As(err, &failure):
		x.forget(failure.Code == codeMethodNotFound)
		r := failure.reason()
		out.Kind, out.RetryAfter = cmp.Or(r.kind, failure.meaning(0), failure.kind()), cmp.Or(r.retryAfter, failure.report.RetryAfter)
		out.Err = errors.New(x.failure.Clean(failure.Error()))
		if failure.kind() == out.Kind {
			out.Remedy = failure.remedy()
		}
	case errors.As(err, &state):
		out = x.ended(state)
	case errors.Is(err, errNotJSON), errors.Is(err, errOffProtocol):
		out.Kind, out.Err = conversation.Invalid, errors.New(x.failure.Clean(err.Error()))
	case errors.Is(err, errOnlyFiles):
		out.Kind, out.Err, out.Remedy = conversation.Invalid, errOnlyFiles, "set accept to media types of texts, such as text/plain"
	default:
		out = x.failure.Lost(err)
		if e, ok := modelcall.IsForeign(err); ok {
			x.forget(e.Status != http.StatusOK)
			if e.Redirects() {
				out.Remedy = "set url or endpoint to where the server redirects: keys do not follow by themselves"
			}
			return out // no message was sent
		}
		x.forget(errors.As(err, new(*url.Error)))
	}
	out.Remedy = cmp.Or(out.Remedy, remedies[out.Kind])
	if x.reached {
		out.Usage.Calls = 1
	}
	return out
}

// noCard returns the error for a response that is no card.
func (x *exchange) noCard(e *noCardError) *conversation.Error {
	out := &conversation.Error{Kind: conversation.Unavailable, Op: x.failure.Op, Err: e.error}
	if _, foreign := modelcall.IsForeign(e); foreign {
		out = x.failure.Lost(e)
	} else if failure := (*statusError)(nil); errors.As(e, &failure) {
		out = x.refused(failure)
	}
	out.Remedy = remedyNoCard
	return out
}

// refused returns the error for an HTTP status.
func (x *exchange) refused(e *statusError) *conversation.Error {
	failure := &wire.Error{}
	var r reason
	if e.fault != nil {
		failure, r = wire.Foreign(e.fault.report.Err()), e.fault.reason()
		failure.Message = e.fault.text()
	}
	out := x.failure.Reported(failure, e.status, cmp.Or(e.retryAfter, r.retryAfter))
	kind := out.Kind
	out.Kind = cmp.Or(r.kind, kind)
	switch {
	case e.status == http.StatusNotFound, e.status == http.StatusMethodNotAllowed, e.status == http.StatusGone:
		out.Remedy = "check the address on the agent's card, or set endpoint: no POST is accepted there"
	}
	if out.Kind != kind {
		out.Remedy = remedies[out.Kind]
	}
	x.forget(e.status == http.StatusNotFound || e.status == http.StatusMethodNotAllowed || e.status == http.StatusGone)
	return out
}

// ended returns the error for a task that ended without an answer.
func (x *exchange) ended(e *stateError) *conversation.Error {
	said := &fault{report: apierror.OfText(e.failure)}
	out := &conversation.Error{
		Op: x.failure.Op, Err: errors.New(x.failure.Clean(e.Error())), RetryAfter: cmp.Or(e.reason.retryAfter, said.report.RetryAfter),
		Kind: cmp.Or(e.reason.kind, said.meaning(0), conversation.Unavailable),
	}
	switch e.state {
	case sdk.TaskStateRejected:
		out.Kind = conversation.Refused
	case sdk.TaskStateAuthRequired:
		out.Kind, out.Remedy = conversation.Unauthorized, remedyLogin
	case sdk.TaskStateCanceled:
		out.Kind = conversation.Unavailable
	}
	return out
}

// forget makes the next call read the card again.
func (x *exchange) forget(stale bool) {
	if stale {
		x.cards.set(nil)
	}
}
