package gemini

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/genai"

	"github.com/parley-run/parley/conversation"
)

// checkTimeout bounds a check.
const checkTimeout = 3 * time.Second

// Check finds out without spending tokens whether the model could be asked: the
// key is there, and the API knows the model. A server that does not tell about
// its models passes, and so does a key that may not ask for them.
func (e *Executor) Check(ctx context.Context) error {
	if err := e.missingKey(); err != nil {
		return err
	}
	cause := fmt.Errorf("no answer within %v", checkTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, cause)
	defer cancel()

	_, err := e.models.Get(with(ctx, &exchange{checkOnly: true}), e.cfg.Model, &genai.GetModelConfig{})
	var said *statusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said) && e.tellsNothing(said):
		return nil
	case errors.Is(context.Cause(ctx), cause):
		return &conversation.Error{Kind: conversation.Unavailable, Op: "gemini: check", Err: cause}
	}
	out := e.failed(ctx, err, conversation.Usage{})
	out.Op = "gemini: check"
	return out
}

// tellsNothing reports whether the error says nothing about what Execute would
// meet.
func (e *Executor) tellsNothing(said *statusError) bool {
	switch said.code {
	case http.StatusForbidden:
		for _, reason := range said.reasons {
			if _, ok := reasons[reason]; ok {
				return false // it is the key or the account
			}
		}
		return true
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return !e.cfg.official() || e.cfg.API == VertexAPI // express mode has no list
	}
	return false
}
