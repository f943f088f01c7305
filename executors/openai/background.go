package openai

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/openai/openai-go/v3/option"
)

const (
	// Bounds of the growing pause between polls of a background run.
	firstPoll = 250 * time.Millisecond
	slowPoll  = 4 * time.Second
	// cancelTimeout bounds the request that cancels an abandoned run.
	cancelTimeout = 2 * time.Second
)

// A run identifies the response for a later attempt.
type run struct {
	Response string `json:"response"`
	Streamed bool   `json:"streamed,omitempty"`
}

// recall reads what an earlier attempt recorded, and ignores what it cannot read.
func recall(attach json.RawMessage) (run, bool) {
	var r run
	return r, len(attach) > 0 && json.Unmarshal(attach, &r) == nil && r.Response != "" && len(r.Response) <= maxID
}

// errGone reports a run without an answer: it failed, was cancelled, or the
// provider has deleted it.
var errGone = errors.New("the background run is gone")

// attach reads the answer of a run that an earlier attempt began. It creates no new
// one.
func (x *exchange) attach(ctx context.Context, r run) error {
	x.id, x.background = r.Response, true
	err := errNoStream
	if r.Streamed && *x.cfg.Stream {
		err = x.resume(ctx)
	}
	if errors.Is(err, errNoStream) {
		err = x.poll(ctx)
	}
	var failure *statusError
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, errCancelled),
		errors.As(err, &failure) && (failure.HTTPStatus() == http.StatusNotFound || x.a.Usage.Calls > 0): // the run ended with this error
		return errGone
	case err == nil && !x.a.cut && x.a.length() == 0: // its answer is empty for good
		return errGone
	}
	return err
}

var errNoStream = errors.New("the run cannot be streamed")

// resume streams a run from its beginning, which servers offer for a limited time.
func (x *exchange) resume(ctx context.Context) error {
	in, err := x.receive(true, x.repeats(), func(res **http.Response, more ...option.RequestOption) error {
		return x.client.Get(ctx, responsePath(x.id), nil, res, append(more, option.WithQuery("stream", "true"), eventStream)...)
	})
	var failure *statusError
	if errors.As(err, &failure) && (failure.HTTPStatus() == http.StatusBadRequest || failure.HTTPStatus() == http.StatusNotFound || failure.HTTPStatus() == http.StatusUnprocessableEntity) {
		return errNoStream
	}
	return x.read(ctx, in, err)
}

// poll polls a run until it has ended.
func (x *exchange) poll(ctx context.Context) error {
	x.restart()
	for wait := firstPoll; ; wait = min(2*wait, slowPoll) {
		in, err := x.receive(false, x.repeats(), func(res **http.Response, more ...option.RequestOption) error {
			return x.client.Get(ctx, responsePath(x.id), nil, res, more...)
		})
		switch {
		case err != nil:
			return err
		case in.events != nil:
			return x.stream(ctx, in.events)
		}
		r, err := parseResponse(in.whole)
		if err != nil {
			return err
		}
		if r.ended() {
			return x.fill(r)
		}
		x.watch.Alive(r.Status == "in_progress" && *x.cfg.Stream) // polling yields no pieces, so GapTimeout does not apply
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// restart discards the answer, except its usage and the text already passed to
// OnDelta: all of it is sent again.
func (x *exchange) restart() {
	if text := x.a.Text.String(); len(text) > len(x.before) {
		x.before = text
	}
	x.reset(x.a, x.req, x.deliver)
	x.item = -1
}

// abandon cancels a background run if the caller was cancelled. A caller that ended
// for another reason (a deadline, a worker's shutdown) will attach to it.
func (x *exchange) abandon(ctx context.Context) {
	if x.id == "" || !x.background || !cancelled(ctx) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer cancel()
	x.a.Usage.Calls = 1
	_ = x.client.Post(ctx, responsePath(x.id, "/cancel"), nil, nil, option.WithMiddleware(statusOnly)) // best effort: an uncancelled run ends by itself
}

func cancelled(ctx context.Context) bool {
	return context.Cause(ctx) == context.Canceled //nolint:errorlint // a wrapped cause is another reason
}
