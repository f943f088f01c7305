package a2a

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// eventStream is the media type of a stream.
const eventStream = "text/event-stream"

// errEnded is an answer that the agent itself ended, although it is not complete.
var errEnded = fmt.Errorf("%w", modelcall.ErrCutOff)

// streams reports whether a response is a stream, whatever its media type says.
func streams(res *http.Response) bool {
	if mediaType(res) == eventStream {
		return true
	}
	body := bufio.NewReader(res.Body)
	begins, _ := body.Peek(len("event:"))
	res.Body = &struct {
		io.Reader
		io.Closer
	}{body, res.Body}
	return bytes.HasPrefix(begins, []byte("data:")) || bytes.HasPrefix(begins, []byte("event:")) || bytes.HasPrefix(begins, []byte(":"))
}

// events takes the events of a stream until one completes the answer. Tasks repeat
// the messages.
func (x *exchange) events(res *http.Response) error {
	events := modelcall.NewEvents(res, 2*x.cfg.MaxReplyBytes)
	defer func() { _ = events.Close() }()
	for {
		next, err := events.Next()
		switch {
		case errors.Is(err, io.EOF) && events.Framed(), err == nil && next.Done():
			return errEnded
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return modelcall.ErrCutOff
		case err != nil:
			return err
		}
		ev, err := x.agent.routes[0].binding.read(next.Data)
		if err != nil {
			return err
		}
		x.watch.Alive(ev.begins())
		if done, err := x.take(ev); done || err != nil {
			return err
		}
	}
}
