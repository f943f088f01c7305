package anthropic

import (
	"net/http"

	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// statusOnly turns an error response into an error with its status. The SDK's own error
// keeps the request with its key.
func statusOnly(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	return modelcall.Send(req, next, modelcall.NewRefusal)
}
