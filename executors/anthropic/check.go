package anthropic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/parley-run/parley/conversation"
)

// checkTimeout bounds a check.
const checkTimeout = 3 * time.Second

// Check finds out without spending tokens whether the model could be asked: the
// key is there, and the API knows the model. A compatible server that does not
// tell about its models passes, and so does a key that may not ask for them.
func (e *Executor) Check(ctx context.Context) error {
	if err := e.missingKey(); err != nil {
		return err
	}
	cause := fmt.Errorf("no answer within %v", checkTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, cause)
	defer cancel()

	var res *http.Response // its body is not of interest, and not read
	path := "v1/models/" + url.PathEscape(e.cfg.Model)
	err := e.client.Get(ctx, path, nil, nil, option.WithResponseInto(&res), option.WithMiddleware(statusOnly))
	if res != nil {
		_ = res.Body.Close()
	}
	var said *statusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said) && e.tellsNothing(said.status):
		return nil
	case errors.Is(context.Cause(ctx), cause):
		return &conversation.Error{Kind: conversation.Unavailable, Op: "anthropic: check", Err: cause}
	}
	out := e.failed(ctx, err, conversation.Usage{})
	out.Op = "anthropic: check"
	return out
}

// tellsNothing reports whether the status says nothing about what Execute would
// meet.
func (e *Executor) tellsNothing(status int) bool {
	switch status {
	case http.StatusForbidden:
		return true
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return !e.cfg.official()
	}
	return false
}
