package modelcall

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/internal/httpclient"
)

// A Refusal is an error that the provider reports, as a response or inside an answer.
type Refusal struct {
	Report apierror.Error
	// Status is that of the response; 0: the error stood inside an answer.
	Status int
	// RetryAfter is the wait that the response's header asks for.
	RetryAfter time.Duration
}

// Error is the status, codes and message. It holds the provider's text unredacted.
func (r *Refusal) Error() string { return r.Report.Text(r.Status) }

// HTTPStatus is the status of the response, or the one that an error inside an answer
// names, or 0.
func (r *Refusal) HTTPStatus() int {
	if r.Status == 0 {
		return r.Report.Status
	}
	return r.Status
}

// NewRefusal reads an error response.
func NewRefusal(res *http.Response, body []byte) error {
	report, _ := apierror.Read(body)
	return &Refusal{Report: report, Status: res.StatusCode, RetryAfter: httpclient.RetryAfterOf(res.StatusCode, res.Header)}
}

// RefusalIn returns the error inside an answer or an event of a stream as a [*Refusal],
// and nil if there is none.
func RefusalIn(raw []byte) error {
	report, ok := apierror.Within(raw)
	if !ok {
		return nil
	}
	return &Refusal{Report: report}
}

// RefusalInEvent is [RefusalIn] for an event of a stream. A plain text in one is a sign of
// life, unless its words are those of an error.
func RefusalInEvent(raw []byte) error {
	report, ok := apierror.Within(raw)
	if !ok {
		return nil
	}
	if _, means := report.Meaning(0, apierror.Table{}); report.IsPlain() && !means {
		return nil
	}
	return &Refusal{Report: report}
}

// explained turns a refusal into an error with a kind.
func (r *Refusal) explained(op string, t apierror.Table, clean func(string) string) *conversation.Error {
	wait := max(r.RetryAfter, r.Report.RetryAfter)
	kind := r.Report.Kind(r.Status, wait, t)
	return &conversation.Error{
		Kind: kind, Op: op, RetryAfter: wait, Remedy: clean(r.Report.Remedy(kind, r.Status, t)),
		Err: errors.New(clean(r.Error())), // not the error itself: it holds the provider's text unredacted
	}
}

// Failed turns any failure of a call into an error with a kind: a [Refusal] by the
// vendor's table, and any other by [Failure].
func Failed(ctx context.Context, op string, err error, t apierror.Table, clean func(string) string) *conversation.Error {
	var refusal *Refusal
	if errors.As(err, &refusal) && ctx.Err() == nil {
		return refusal.explained(op, t, clean)
	}
	out := Failure(ctx, op, err, clean)
	if out.Remedy == RemedyAPI {
		out.Remedy += t.APIRemedy
	}
	return out
}
