package sim

import (
	"fmt"
	"net/http"
	"time"
)

// A httpError is an answer other than 200. Code acts on its status.
type httpError struct {
	status     int
	detail     any // text, or a list of fieldError
	plain      bool
	retryAfter time.Duration
}

func (e *httpError) Error() string { return fmt.Sprintf("%d: %v", e.status, e.detail) }

func notFound(what string) error {
	return &httpError{status: http.StatusNotFound, detail: what + " not found"}
}

func badRequest(detail string) error {
	return &httpError{status: http.StatusBadRequest, detail: detail}
}

func conflict(detail string) error {
	return &httpError{status: http.StatusConflict, detail: detail}
}

// internalError is the answer of an unhandled exception: not JSON.
func internalError() error {
	return &httpError{status: http.StatusInternalServerError, detail: "Internal Server Error", plain: true}
}

// errClosing ends calls that wait while the simulator is closed.
var errClosing error = &httpError{status: http.StatusServiceUnavailable, detail: "the simulator is stopping", plain: true}

// A spoiled answer is one that a fault withholds from the caller.
type spoiled struct {
	cut  bool // no answer at all
	body any  // otherwise: half of this, with status 200
}

func (*spoiled) Error() string { return "answer spoiled by a fault" }
