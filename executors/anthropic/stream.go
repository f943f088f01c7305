package anthropic

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/internal/lenient"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// receive reads the response: a whole answer or events, whichever was requested. On an
// error, a holds the part received.
func (e *Executor) receive(ctx context.Context, w *modelcall.Watch, res *http.Response, a *answer) error {
	whole, events, err := modelcall.Receive(res, *e.cfg.Stream, e.cfg.MaxReplyBytes)
	switch {
	case err != nil:
		return err
	case events == nil:
		return a.whole(whole)
	}
	defer func() { _ = events.Close() }()
	for err == nil && !a.stopped {
		var event modelcall.Event
		if event, err = events.Next(); err == nil {
			err = e.read(w, events, event, a)
		}
	}
	if over, err := modelcall.StreamOver(ctx, err, a.Finish != ""); over {
		return err
	}
	switch {
	case events.Stray() != "":
		return reported([]byte(events.Stray()))
	case (a.stopped || events.Framed()) && a.usable():
		return nil
	}
	return modelcall.ErrCutOff
}

// read reads an event.
func (e *Executor) read(w *modelcall.Watch, events *modelcall.Events, event modelcall.Event, a *answer) error {
	switch {
	case event.Done():
		a.stopped = true
		return nil
	case event.Name == "error":
		return reported(event.Data)
	case !json.Valid(event.Data) && !begunJSON(event.Data):
		return events.Progress(false) // a sign of life
	}
	if err := unusable(event.Data); err != nil {
		return err
	}
	begins := startsAnswer(event)
	w.Alive(begins)
	if err := events.Progress(begins); err != nil {
		return err
	}
	a.event(event.Name, event.Data)
	if a.Size() > e.cfg.MaxReplyBytes {
		return modelcall.ErrTooLarge
	}
	return nil
}

// errUnreadable does not repeat the answer, which may hold what was said.
var errUnreadable = errors.New("the answer cannot be read: it is not JSON")

// unusable returns the error of data that is no part of an answer.
func unusable(data []byte) error {
	switch {
	case json.Valid(data):
		return errorIn(string(data))
	case begunJSON(data):
		return errUnreadable
	}
	return reported(data)
}

func begunJSON(data []byte) bool { return len(data) > 0 && (data[0] == '{' || data[0] == '[') }

// reported returns the error that a text or an error event reports.
func reported(data []byte) error {
	report, _ := apierror.Read(data)
	return &statusError{Report: report}
}

// startsAnswer reports whether the model has begun to think or write: the server
// sends message_start before that, and a block may begin with hidden thinking.
func startsAnswer(event modelcall.Event) bool {
	switch cmp.Or(lenient.Read(event.Data).Text("type"), event.Name) {
	case "content_block_delta", "message_delta", "message":
		return true
	}
	return false
}
