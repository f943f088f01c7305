package anthropic

import (
	"encoding/json"
	"fmt"
	"net/http"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// plainAnswer is a whole answer to a request for a stream.
type plainAnswer struct{ message *sdk.Message }

func (*plainAnswer) Error() string { return "the server does not stream" }

// guard stands between the SDK and the network. The SDK reads bodies of any size,
// drops invalid bytes, and keeps the request with its key in its errors.
func (e *Executor) guard(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	res, err := statusOnly(req, next)
	if err != nil {
		return nil, err
	}
	whole, err := modelcall.Bound(res, *e.cfg.Stream, e.cfg.MaxReplyBytes)
	if err != nil {
		return nil, err
	}
	if whole == nil {
		return res, nil
	}
	var m sdk.Message
	if err := json.Unmarshal(whole, &m); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	return nil, &plainAnswer{message: &m}
}

// statusOnly turns an error response into an error with its status.
func statusOnly(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	return modelcall.Send(req, next, modelcall.NewRefusal)
}
