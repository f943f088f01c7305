package openai

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/openai/openai-go/v3/option"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// plainAnswer is a whole answer to a request for a stream.
type plainAnswer struct{ body []byte }

func (*plainAnswer) Error() string { return "the server does not stream" }

var errUnreadable = errors.New("the answer cannot be read: it is not JSON")

// guard stands between the SDK and the network. The SDK reads bodies of any size,
// drops invalid bytes, and loses the status of an error whose body it does not
// expect. Repeats is added to the bound, for what an answer repeats of its request.
func (e *Executor) guard(stream bool, repeats int) option.Middleware {
	return func(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		return e.guarded(req, next, stream, e.cfg.MaxReplyBytes+repeats)
	}
}

func (e *Executor) guarded(req *http.Request, next option.MiddlewareNext, stream bool, maxBytes int) (*http.Response, error) {
	res, err := statusOnly(req, next)
	if err != nil {
		return nil, err
	}
	whole, err := modelcall.Bound(res, stream, maxBytes)
	if err != nil {
		return nil, err
	}
	if whole == nil {
		return res, nil
	}
	if !json.Valid(whole) {
		return nil, errUnreadable
	}
	return nil, &plainAnswer{body: whole}
}

// statusOnly turns an error response into an error with its status.
func statusOnly(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	return modelcall.Send(req, next, modelcall.NewRefusal)
}
