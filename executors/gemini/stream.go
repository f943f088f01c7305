package gemini

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/internal/lenient"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// errUnreadable does not repeat the answer, which may hold what was said.
var errUnreadable = errors.New("the answer cannot be read: it is not JSON")

// receive reads the response: a whole answer or events, whichever was requested. On an
// error, a holds the part received.
func (e *Executor) receive(ctx context.Context, w *modelcall.Watch, res *http.Response, a *answer) error {
	whole, events, err := modelcall.Receive(res, *e.cfg.Stream, e.cfg.MaxReplyBytes)
	switch {
	case err != nil:
		return err
	case events == nil:
		return a.piece(whole)
	}
	defer func() { _ = events.Close() }()
	done := false
	for err == nil && !done {
		var event modelcall.Event
		if event, err = events.Next(); err == nil {
			done = event.Done()
			err = e.read(w, events, event, a)
		}
	}
	if over, err := modelcall.StreamOver(ctx, err, a.Finish != ""); over {
		return err
	}
	switch {
	case events.Stray() != "":
		return reported([]byte(events.Stray()))
	case (done || events.Framed()) && a.usable():
		return nil
	}
	return modelcall.ErrCutOff
}

// usable reports whether an answer without a finishReason is complete enough to be one.
func (a *answer) usable() bool {
	return !a.continued && (len(a.Calls) > 0 || !blank(a.Text.String()))
}

// read reads an event.
func (e *Executor) read(w *modelcall.Watch, events *modelcall.Events, event modelcall.Event, a *answer) error {
	switch {
	case event.Done():
		return nil
	case event.Name == "error":
		return reported(event.Data)
	case !json.Valid(event.Data) && !begunJSON(event.Data):
		return events.Progress(false) // a sign of life
	}
	begins := startsAnswer(event.Data)
	w.Alive(begins)
	if err := events.Progress(begins); err != nil {
		return err
	}
	if err := a.piece(event.Data); err != nil {
		return err
	}
	if a.Size() > e.cfg.MaxReplyBytes {
		return modelcall.ErrTooLarge
	}
	return nil
}

// piece reads an answer or a piece of one.
func (a *answer) piece(data []byte) error {
	switch {
	case !json.Valid(data) && begunJSON(data):
		return errUnreadable
	case !json.Valid(data):
		return reported(data)
	}
	if failure := errorIn(data); failure != nil {
		return failure
	}
	a.add(data)
	return nil
}

func begunJSON(data []byte) bool { return len(data) > 0 && (data[0] == '{' || data[0] == '[') }

// reported returns the error that a text or an error event reports.
func reported(data []byte) error {
	report, _ := apierror.Read(data)
	return &statusError{Report: report}
}

// startsAnswer reports whether the model has begun to think or write.
func startsAnswer(piece json.RawMessage) bool {
	r := lenient.Read(piece)
	for _, raw := range r.List("candidates") {
		c := lenient.Read(raw)
		if len(c.Object("content").List("parts")) > 0 || stopWord(c.Get("finishReason", "finish_reason")) != "" {
			return true
		}
	}
	return r.Get("promptFeedback", "prompt_feedback") != nil
}
