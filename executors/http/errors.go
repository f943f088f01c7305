package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/foreign"
	"github.com/parley-run/parley/internal/httpclient"
)

// A statusError is an answer with a status other than 2xx.
type statusError struct {
	reported   *wire.Error
	status     int
	retryAfter time.Duration
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.status) }

// remedy names the setting to check for a request that the server does not
// understand.
func (e *statusError) remedy() string {
	switch {
	case e.status == http.StatusNotFound, e.status == http.StatusMethodNotAllowed:
		return "check url: no POST is accepted there"
	case e.status == http.StatusUnprocessableEntity:
		return "check request: the agent expects other fields"
	}
	return remedies[conversation.Invalid]
}

// A requestError is a request that could not be built.
type requestError struct{ error }

// refusal reads a response other than 2xx.
func (c *call) refusal(res *http.Response) error {
	reported, body := &wire.Error{}, modelcall.ErrorBody(res)
	if err := modelcall.Foreign(res, body, func() bool { return c.own(res.StatusCode, body) }); err != nil {
		return err
	}
	if utf8.Valid(body) {
		reported = c.reported(body)
	}
	return &statusError{reported: reported, status: res.StatusCode, retryAfter: httpclient.RetryAfterOf(res.StatusCode, res.Header)}
}

// own reports whether a body may come from the agent. Agents have formats of their
// own, but any server answers 404 and 405.
func (c *call) own(status int, body []byte) bool {
	if status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
		return true
	}
	frame, err := c.mapping.answer(body)
	return err == nil && frame.Error != nil || apierror.Own(status, body, "message", "detail")
}

// reported returns the error of the agent, or of a server in front of it.
func (c *call) reported(body []byte) *wire.Error {
	if frame, err := c.mapping.answer(body); err == nil && frame.Error != nil {
		return frame.Error
	}
	if frame, err := wire.ParseFrame(body); err == nil && frame.Error != nil {
		return frame.Error
	}
	report, _ := apierror.Read(body)
	return wire.Foreign(report.Err())
}

// reportedWithin returns the error in an answer, or an event, that came with success and
// has another shape than the contract's or than the mapping names. Nil: there is none.
func reportedWithin(data []byte, frame wire.Frame, err error) *wire.Error {
	if frame.Error != nil {
		return nil
	}
	report, ok := apierror.Declared(data)
	if !ok && (err != nil || frame.Empty()) {
		report, ok = apierror.Within(data)
		ok = ok && !report.IsPlain()
	}
	if !ok {
		return nil
	}
	return wire.Foreign(report.Err())
}

// notJSON is the error of an answer that is a text: by its words, if they are those of a
// service, and else as of another server.
func notJSON(status int, data []byte) error {
	report, _ := apierror.Within(data)
	if _, means := report.Meaning(0, apierror.Table{}); means {
		return wire.Foreign(report.Err())
	}
	return &foreign.Error{Status: status, What: "not a JSON object", Said: report.Message}
}

// failed turns any failure of a call into an error with a kind.
func (c *call) failed(ctx context.Context, err error) *conversation.Error {
	var (
		out      *conversation.Error
		timeout  *modelcall.TimeoutError
		status   *statusError
		reported *wire.Error
		refusal  *modelcall.Refusal
		request  *requestError
		broken   = func(kind conversation.Kind, text, remedy string) *conversation.Error {
			return &conversation.Error{Kind: kind, Op: c.failure.Op, Err: errors.New(c.failure.Clean(text)), Remedy: remedy}
		}
	)
	switch {
	case errors.As(context.Cause(ctx), &timeout):
		out = &conversation.Error{Kind: conversation.Unavailable, Op: c.failure.Op, Err: timeout}
	case ctx.Err() != nil:
		out = &conversation.Error{Kind: conversation.Unavailable, Op: c.failure.Op, Err: ctx.Err()}
	case errors.As(err, &status):
		out = c.failure.Reported(status.reported, status.status, status.retryAfter)
		if out.Kind == conversation.Invalid && status.reported.Remedy == "" {
			out.Remedy = status.remedy()
		}
		if status.reported.Kind == "" { // not from the agent: it may not have received the request
			return out
		}
	case errors.As(err, &reported):
		out = c.failure.Reported(reported, 0, 0)
	case errors.As(err, &refusal):
		out = c.failure.Reported(wire.Foreign(refusal.Report.Err()), 0, 0)
	case errors.As(err, &request):
		out = broken(conversation.Invalid, request.Error(), "check request.body")
	case errors.Is(err, errElsewhere):
		out = broken(conversation.Invalid, err.Error(), "set url to that server: keys go to no other")
	case errors.Is(err, errNoWords): // it may come from a server in front of the agent
		out = broken(conversation.Unavailable, err.Error(), "check response, and that url leads to the agent")
	case errors.Is(err, errPath):
		out = broken(conversation.Invalid, err.Error(), "check response")
	default:
		out = c.failure.Lost(err)
		if _, ok := modelcall.IsForeign(err); ok {
			return out // the agent was not called
		}
	}
	if c.reached {
		out.Usage = c.answer.Usage()
	}
	return out
}

// errNoWords is an answer without a value at any configured path.
var errNoWords = errors.New("this may not be the agent's own answer")

var errPath = errors.New("the answer is not where response says")

func pathError(key, path, what string) error {
	return fmt.Errorf("%w: at response.%s, %q, is %s", errPath, key, path, what)
}
