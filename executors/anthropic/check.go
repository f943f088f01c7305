package anthropic

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// Check tests without using tokens that the key is set and that the API knows the
// model. It passes for a compatible server that does not list models, and for a key
// that may not list them.
func (e *Executor) Check(ctx context.Context) error {
	if err := e.missingKey(); err != nil {
		return err
	}
	return modelcall.Check(ctx, "anthropic: check", e.find, func(ctx context.Context, err error) *conversation.Error {
		return e.failed(ctx, err, conversation.Usage{})
	})
}

// find requests the description of the model.
func (e *Executor) find(ctx context.Context) error {
	var res *http.Response // the body is not needed, and not read
	path := "v1/models/" + url.PathEscape(e.cfg.Model)
	err := e.client.Get(ctx, path, nil, nil, option.WithResponseInto(&res), option.WithMiddleware(statusOnly))
	if res != nil {
		_ = res.Body.Close()
	}
	var failure *statusError
	status := modelcall.ForeignStatus(err)
	if errors.As(err, &failure) {
		status = failure.HTTPStatus()
	}
	if e.tellsNothing(status) {
		return nil
	}
	return err
}

// tellsNothing reports whether the status does not predict the result of Execute.
func (e *Executor) tellsNothing(status int) bool {
	switch status {
	case http.StatusForbidden:
		return true
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return !e.cfg.official()
	}
	return false
}
