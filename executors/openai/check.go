package openai

import (
	"context"
	"errors"
	"net/http"

	"github.com/openai/openai-go/v3/option"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// Check tests without using tokens that the key is set and that the server lists
// the model. It passes for a server that lists no models, and for a key that may
// not list them.
func (e *Executor) Check(ctx context.Context) error {
	if err := e.missingKey(); err != nil {
		return err
	}
	return modelcall.Check(ctx, "openai: check", e.list, func(ctx context.Context, err error) *conversation.Error {
		return e.failed(ctx, err, conversation.Usage{})
	})
}

// list requests the list of models.
func (e *Executor) list(ctx context.Context) error {
	var res *http.Response // the body is not needed, and not read
	err := e.client.Get(ctx, "models", nil, nil, option.WithResponseInto(&res), option.WithMiddleware(statusOnly))
	if res != nil {
		_ = res.Body.Close()
	}
	var failure *statusError
	status := modelcall.ForeignStatus(err)
	if errors.As(err, &failure) {
		status = failure.HTTPStatus()
	}
	switch status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return nil // it does not predict the result of Execute
	}
	return err
}
