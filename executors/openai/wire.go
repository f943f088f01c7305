package openai

import (
	"errors"
	"net/http"

	"github.com/openai/openai-go/v3/option"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

var errUnreadable = errors.New("the answer cannot be read: it is not JSON")

// An incoming answer is whole, or a stream of events; which of them the server decides,
// whatever it was asked for.
type incoming struct {
	whole  []byte
	events *modelcall.Events
}

// errWhole ends the SDK's part in a call whose whole answer has arrived: its types fail on
// those of compatible servers.
var errWhole = errors.New("the answer came in one piece")

// receive sends a request by the SDK and returns the answer. The SDK reads bodies of any
// size, drops invalid bytes, and loses the status of an error whose body it does not
// expect. Repeats is added to the bound, for what an answer repeats of its request.
func (e *Executor) receive(stream bool, repeats int, send func(res **http.Response, opts ...option.RequestOption) error) (incoming, error) {
	var (
		in  incoming
		res *http.Response
	)
	opts := []option.RequestOption{option.WithMiddleware(func(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		res, err := statusOnly(req, next)
		if err != nil {
			return nil, err
		}
		in.whole, in.events, err = modelcall.Receive(res, stream, e.cfg.MaxReplyBytes+repeats)
		if err == nil && in.whole != nil {
			err = errWhole
		}
		return res, err
	})}
	err := send(&res, opts...)
	if errors.Is(err, errWhole) {
		return in, nil
	}
	if err != nil && in.events != nil {
		_ = in.events.Close()
	}
	return in, err
}

// streamed are the options of a request for a stream.
var streamed = []option.RequestOption{option.WithJSONSet("stream", true), eventStream}

var eventStream = option.WithHeader("Accept", "text/event-stream")

// statusOnly turns an error response into an error with its status.
func statusOnly(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	return modelcall.Send(req, next, modelcall.NewRefusal)
}
