package gemini

import (
	"context"
	"errors"
	"net/http"

	"google.golang.org/genai"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// Check tests without using tokens that the key is set and that the API knows the
// model. It passes for a server that does not list models, and for a key that may
// not list them.
func (e *Executor) Check(ctx context.Context) error {
	if err := e.missingKey(); err != nil {
		return err
	}
	return modelcall.Check(ctx, "gemini: check", e.find, func(ctx context.Context, err error) *conversation.Error {
		return e.failed(ctx, err, conversation.Usage{})
	})
}

// find requests the description of the model.
func (e *Executor) find(ctx context.Context) error {
	_, err := e.models.Get(with(ctx, &exchange{checkOnly: true}), e.cfg.Model, &genai.GetModelConfig{})
	failure := &statusError{Status: modelcall.ForeignStatus(err)}
	errors.As(err, &failure)
	if e.tellsNothing(failure) {
		return nil
	}
	return err
}

// tellsNothing reports whether the error does not predict the result of Execute.
func (e *Executor) tellsNothing(failure *statusError) bool {
	switch failure.HTTPStatus() {
	case http.StatusForbidden:
		return !failure.Report.IsOfAccount() // else the key or the account is at fault
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return !e.cfg.official() || e.cfg.API == VertexAPI // express mode lists no models
	}
	return false
}
