package modelcall

import (
	"net/http"

	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/limit"
)

// Send sends a request and returns a successful response. For any other response it
// returns the error of refused, or of [Foreign] if it is not the vendor's.
func Send(req *http.Request, next func(*http.Request) (*http.Response, error), refused func(*http.Response, []byte) error) (*http.Response, error) {
	res, err := next(req)
	if err != nil {
		return nil, err
	}
	if res.Request == nil {
		res.Request = req // the reader of the body finds the timers by it
	}
	limit.ReportHeaders(req.Context(), res.Header)
	if !Succeeded(res) {
		body := ErrorBody(res)
		if err := Foreign(res, body, func() bool { return apierror.Own(res.StatusCode, body) }); err != nil {
			return nil, err
		}
		return nil, refused(res, body)
	}
	return res, nil
}
