package gemini

import (
	"context"
	"errors"
	"net/http"

	"google.golang.org/genai"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// Check finds out without spending tokens whether the model could be asked: the
// key is there, and the API knows the model. A server that does not tell about
// its models passes, and so does a key that may not ask for them.
func (e *Executor) Check(ctx context.Context) error {
	if err := e.missingKey(); err != nil {
		return err
	}
	return modelcall.Check(ctx, "gemini: check", e.find, func(ctx context.Context, err error) *conversation.Error {
		return e.failed(ctx, err, conversation.Usage{})
	})
}

// find asks for the model.
func (e *Executor) find(ctx context.Context) error {
	_, err := e.models.Get(with(ctx, &exchange{checkOnly: true}), e.cfg.Model, &genai.GetModelConfig{})
	said := &statusError{code: modelcall.ForeignStatus(err)}
	errors.As(err, &said)
	if e.tellsNothing(said) {
		return nil
	}
	return err
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
