package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/foreign"
)

// A statusError is an answer with a status other than success.
type statusError struct {
	said       *wire.Error
	status     int
	retryAfter time.Duration
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.status) }

// remedy says which setting to look at where the request is not understood.
func (e *statusError) remedy() string {
	switch {
	case e.status == http.StatusNotFound, e.status == http.StatusMethodNotAllowed:
		return "check url: nothing takes a POST there"
	case e.status == http.StatusUnprocessableEntity:
		return "check request: the agent expects other fields"
	}
	return remedies[conversation.Invalid]
}

// A requestError is a request that could not be made.
type requestError struct{ error }

// refusal reads a response that is none of success.
func (c *call) refusal(res *http.Response) error {
	said, body := &wire.Error{}, modelcall.ErrorBody(res)
	if err := modelcall.Foreign(res, body, func() bool { return c.own(res.StatusCode, body) }); err != nil {
		return err
	}
	if utf8.Valid(body) {
		said = c.reported(body)
	}
	return &statusError{said: said, status: res.StatusCode, retryAfter: modelcall.RetryAfter(res.Header, time.Now())}
}

// own reports whether a body may be the agent's. Agents have shapes of their own; but
// any server says that it knows no such path.
func (c *call) own(status int, body []byte) bool {
	if status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
		return true
	}
	frame, err := c.mapping.answer(body)
	return err == nil && frame.Error != nil || foreign.Reports(status, body, "message", "detail")
}

// reported finds out what the agent, or whatever stands before it, says.
func (c *call) reported(body []byte) *wire.Error {
	if frame, err := c.mapping.answer(body); err == nil && frame.Error != nil {
		return frame.Error
	}
	if frame, err := wire.ParseFrame(body); err == nil && frame.Error != nil {
		return frame.Error
	}
	// What frameworks say of their own accord.
	var plain struct {
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	said := &wire.Error{}
	if json.Unmarshal(body, &plain) != nil {
		return said
	}
	said.Message = plain.Message
	if said.Message == "" && len(plain.Detail) > 0 && json.Unmarshal(plain.Detail, &said.Message) != nil {
		said.Message = string(bytes.TrimSpace(plain.Detail))
	}
	return said
}

// failed turns whatever went wrong into an error with a kind.
func (c *call) failed(ctx context.Context, err error) *conversation.Error {
	var (
		out     *conversation.Error
		timeout *modelcall.TimeoutError
		status  *statusError
		said    *wire.Error
		request *requestError
		broken  = func(kind conversation.Kind, text, remedy string) *conversation.Error {
			return &conversation.Error{Kind: kind, Op: c.failure.Op, Err: errors.New(c.failure.Clean(text)), Remedy: remedy}
		}
	)
	switch {
	case errors.As(context.Cause(ctx), &timeout):
		out = &conversation.Error{Kind: conversation.Unavailable, Op: c.failure.Op, Err: timeout}
	case ctx.Err() != nil:
		out = &conversation.Error{Kind: conversation.Unavailable, Op: c.failure.Op, Err: ctx.Err()}
	case errors.As(err, &status):
		out = c.failure.Reported(status.said, status.status, status.retryAfter)
		if out.Kind == conversation.Invalid && status.said.Remedy == "" {
			out.Remedy = status.remedy()
		}
		if status.said.Kind == "" { // not the agent's word: it may not have got that far
			return out
		}
	case errors.As(err, &said):
		out = c.failure.Reported(said, 0, 0)
	case errors.As(err, &request):
		out = broken(conversation.Invalid, request.Error(), "check request.body")
	case errors.Is(err, errElsewhere):
		out = broken(conversation.Invalid, err.Error(), "set url to that server: keys go to no other")
	case errors.Is(err, errNoWords): // it may be a server's in front of the agent
		out = broken(conversation.Unavailable, err.Error(), "check response, and that url leads to the agent")
	case errors.Is(err, errPath):
		out = broken(conversation.Invalid, err.Error(), "check response")
	default:
		out = c.failure.Lost(err)
		if _, ok := modelcall.IsForeign(err); ok {
			return out // the agent has not been asked
		}
	}
	if c.asked {
		out.Usage = c.answer.Usage()
	}
	return out
}

// errNoWords is an answer with nothing at any path of the configuration.
var errNoWords = errors.New("this may not be the agent's own answer")

var errPath = errors.New("the answer is not where response says")

func pathError(key, path, what string) error {
	return fmt.Errorf("%w: at response.%s, %q, is %s", errPath, key, path, what)
}
