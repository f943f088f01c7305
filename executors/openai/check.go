package openai

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/openai/openai-go/v3/option"

	"github.com/parley-run/parley/conversation"
)

// checkTimeout bounds a check.
const checkTimeout = 3 * time.Second

// Check finds out without spending tokens whether the model could be asked: the
// key is there, and the server lists its models. A server without such a list
// passes, and so does a key that may not read it.
func (e *Executor) Check(ctx context.Context) error {
	if err := e.missingKey(); err != nil {
		return err
	}
	cause := fmt.Errorf("no answer within %v", checkTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, cause)
	defer cancel()

	var res *http.Response // its body is not of interest, and not read
	err := e.client.Get(ctx, "models", nil, nil, option.WithResponseInto(&res), option.WithMiddleware(statusOnly))
	if res != nil {
		_ = res.Body.Close()
	}
	var said *statusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said) && (said.status == http.StatusNotFound || said.status == http.StatusMethodNotAllowed ||
		said.status == http.StatusNotImplemented || said.status == http.StatusForbidden):
		return nil
	case errors.Is(context.Cause(ctx), cause):
		return &conversation.Error{Kind: conversation.Unavailable, Op: "openai: check", Err: cause}
	}
	err = e.failed(ctx, err, conversation.Usage{})
	var ce *conversation.Error
	if errors.As(err, &ce) {
		ce.Op = "openai: check"
	}
	return err
}
