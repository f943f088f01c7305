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
	// A background run is asked for soon, and then less and less often.
	firstPoll = 250 * time.Millisecond
	slowPoll  = 4 * time.Second
	// cancelTimeout bounds what is done for a run that nobody wants any more.
	cancelTimeout = 2 * time.Second
)

// A run is where a later attempt finds the response.
type run struct {
	Response string `json:"response"`
	Streamed bool   `json:"streamed,omitempty"`
}

// recall reads what an earlier attempt recorded. What cannot be read is as good
// as nothing.
func recall(attach json.RawMessage) (run, bool) {
	var r run
	return r, len(attach) > 0 && json.Unmarshal(attach, &r) == nil && r.Response != "" && len(r.Response) <= maxID
}

// errGone is a run that gives no answer any more: it failed, was cancelled, or the
// provider has forgotten it.
var errGone = errors.New("the background run is gone")

// attach takes the answer of a run that an earlier attempt began. It asks for no
// new one.
func (x *exchange) attach(ctx context.Context, r run) error {
	x.id, x.background = r.Response, true
	err := errNoStream
	if r.Streamed && *x.cfg.Stream {
		err = x.resume(ctx)
	}
	if errors.Is(err, errNoStream) {
		err = x.poll(ctx)
	}
	var said *statusError
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, errCancelled),
		errors.As(err, &said) && (said.status == http.StatusNotFound || x.a.Usage.Calls > 0): // the run has ended so
		return errGone
	case err == nil && !x.a.cut && x.a.length() == 0: // it would stay as empty
		return errGone
	}
	return err
}

var errNoStream = errors.New("the run cannot be streamed")

// resume streams a run from its beginning. Servers do so for some time only.
func (x *exchange) resume(ctx context.Context) error {
	var raw *http.Response
	err := x.client.Get(ctx, responsePath(x.id), nil, &raw, x.limits(true), option.WithQuery("stream", "true"), eventStream)
	var said *statusError
	if errors.As(err, &said) && (said.status == http.StatusBadRequest || said.status == http.StatusNotFound || said.status == http.StatusUnprocessableEntity) {
		return errNoStream
	}
	return x.read(ctx, raw, err)
}

// poll asks for a run until it has ended.
func (x *exchange) poll(ctx context.Context) error {
	x.restart()
	for wait := firstPoll; ; wait = min(2*wait, slowPoll) {
		var r response
		if err := x.client.Get(ctx, responsePath(x.id), nil, &r, x.limits(false)); err != nil {
			return err
		}
		if r.ended() {
			return x.fill(&r)
		}
		x.watch.Alive(r.Status == "in_progress" && *x.cfg.Stream) // no pieces, no gaps
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// restart forgets what has come of an answer, but for what it cost and what was
// told of it: the whole of it comes again.
func (x *exchange) restart() {
	if text := x.a.Text.String(); len(text) > len(x.before) {
		x.before = text
	}
	usage := x.a.Usage
	*x.a = answer{}
	x.a.Usage, x.item = usage, -1
}

// abandon cancels a background run that the caller has cancelled. A caller that
// ended for another cause (a deadline, a worker that shuts down) means to attach
// to it again.
func (x *exchange) abandon(ctx context.Context) {
	if x.id == "" || !x.background || !cancelled(ctx) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer cancel()
	x.a.Usage.Calls = 1
	_ = x.client.Post(ctx, responsePath(x.id, "/cancel"), nil, nil, option.WithMiddleware(statusOnly)) // best effort: it ends by itself
}

func cancelled(ctx context.Context) bool {
	return context.Cause(ctx) == context.Canceled //nolint:errorlint // any other cause is another reason
}
