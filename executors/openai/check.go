package openai

import (
	"context"
	"errors"
	"net/http"

	"github.com/openai/openai-go/v3/option"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// Check finds out without spending tokens whether the model could be asked: the
// key is there, and the server lists its models. A server without such a list
// passes, and so does a key that may not read it.
func (e *Executor) Check(ctx context.Context) error {
	if err := e.missingKey(); err != nil {
		return err
	}
	return modelcall.Check(ctx, "openai: check", e.list, func(ctx context.Context, err error) *conversation.Error {
		return e.failed(ctx, err, conversation.Usage{})
	})
}

// list asks for the models.
func (e *Executor) list(ctx context.Context) error {
	var res *http.Response // its body is not of interest, and not read
	err := e.client.Get(ctx, "models", nil, nil, option.WithResponseInto(&res), option.WithMiddleware(statusOnly))
	if res != nil {
		_ = res.Body.Close()
	}
	var said *statusError
	status := modelcall.ForeignStatus(err)
	if errors.As(err, &said) {
		status = said.status
	}
	switch status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return nil // it says nothing about what Execute would meet
	}
	return err
}
