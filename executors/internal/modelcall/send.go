package modelcall

import (
	"net/http"

	"github.com/parley-run/parley/executors/limit"
)

// Send passes a request on to the network and returns a response of success. What
// refused makes of any other one is the error.
func Send(req *http.Request, next func(*http.Request) (*http.Response, error), refused func(*http.Response, []byte) error) (*http.Response, error) {
	res, err := next(req)
	if err != nil {
		return nil, err
	}
	limit.ReportHeaders(req.Context(), res.Header)
	if !Succeeded(res) {
		return nil, refused(res, ErrorBody(res))
	}
	return res, nil
}
