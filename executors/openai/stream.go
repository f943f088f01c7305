package openai

import (
	"context"
	"encoding/json"

	"github.com/parley-run/parley/executors/internal/lenient"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// stream reads a streamed answer of the Chat Completions API. On an error, a holds the
// part received.
func (e *Executor) stream(ctx context.Context, w *modelcall.Watch, events *modelcall.Events, a *answer) error {
	defer func() { _ = events.Close() }()
	a.Usage.Calls = 1
	done, err := false, error(nil)
	for !done && err == nil {
		var ev modelcall.Event
		if ev, err = events.Next(); err != nil {
			break
		}
		if done = ev.Done(); !done {
			var begins bool
			if begins, err = e.event(w, ev, a); err == nil {
				err = events.Progress(begins)
			}
		}
	}
	if over, err := modelcall.StreamOver(ctx, err, a.Finish != ""); over {
		return err
	}
	switch {
	case !done && a.empty() && events.Stray() != "":
		return errorInside([]byte(events.Stray()))
	case a.empty() || !done && !a.ended(events.Framed()):
		return modelcall.ErrCutOff
	}
	return nil
}

// ended reports whether an answer without a finish reason is complete at the end of a
// stream that has no marker. It is if the usage has come, which follows the answer, or if
// the server never says whether the model has stopped and the transport shows that nothing
// is missing. A server that says "not yet" up to the end has broken off.
func (a *answer) ended(framed bool) bool {
	for _, c := range a.Calls {
		if !c.Empty() && !c.Whole() {
			return false
		}
	}
	return a.counted || framed && !a.tells
}

// event reads an event, and reports whether it has a part of an answer.
func (e *Executor) event(w *modelcall.Watch, ev modelcall.Event, a *answer) (bool, error) {
	if err := modelcall.RefusalInEvent(ev.Data); err != nil {
		return false, err
	}
	o := lenient.Read(ev.Data)
	switch {
	case ev.Name == "error":
		return false, errorInside(ev.Data)
	case o == nil && json.Valid(ev.Data), o == nil && len(ev.Data) > 0 && ev.Data[0] != '{':
		return false, nil // a sign of life
	case o == nil:
		return false, errUnreadable
	}
	begins := a.add(o, false)
	w.Alive(begins)
	if a.length() > e.cfg.MaxReplyBytes {
		return begins, modelcall.ErrTooLarge
	}
	return begins, nil
}
