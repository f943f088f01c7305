package anthropic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/parley-run/parley/conversation"
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
	for err == nil {
		var event modelcall.Event
		if event, err = events.Next(); err == nil {
			err = e.read(w, event, a)
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, modelcall.ErrTooLarge):
		return err
	case a.Finish != "":
		return nil // the answer is complete: a later failure does not matter
	case !errors.Is(err, io.EOF):
		return err
	case events.Stray() != "":
		return fmt.Errorf("the server broke the answer off: %s", conversation.Quote(events.Stray()))
	case (a.stopped || events.Framed()) && a.usable():
		return nil
	}
	return modelcall.ErrCutOff
}

// read reads an event.
func (e *Executor) read(w *modelcall.Watch, event modelcall.Event, a *answer) error {
	if event.Done() {
		a.stopped = true
		return nil
	}
	if err := unusable(event.Data); err != nil {
		return err
	}
	w.Alive(startsAnswer(event))
	a.event(event.Name, event.Data)
	if a.Size() > e.cfg.MaxReplyBytes {
		return modelcall.ErrTooLarge
	}
	return nil
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
