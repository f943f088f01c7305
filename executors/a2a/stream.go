package a2a

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// eventStream is the media type of a stream.
const eventStream = "text/event-stream"

const (
	// maxEvents bounds the events of a stream, comments included.
	maxEvents = 100_000
	// maxFrames bounds the bytes of a stream, in frames of the largest size: agents
	// repeat a task, or an artifact that grows.
	maxFrames = 8
)

// errEnded is an answer that the agent itself ended, although it is not complete.
var errEnded = fmt.Errorf("%w", modelcall.ErrCutOff)

// errEndless is a stream of more than the protocol needs.
var errEndless = fmt.Errorf("%w: it is a stream without end", modelcall.ErrTooLarge)

// events takes the events of a stream until one completes the answer.
func (x *exchange) events(res *http.Response) error {
	defer func() { _ = res.Body.Close() }()
	events := wire.NewEvents(&metered{r: res.Body, left: maxFrames * x.maxFrame(), alive: func() { x.watch.Alive(false) }}, x.maxFrame())
	for range maxEvents {
		next, err := events.Next()
		switch {
		case errors.Is(err, io.EOF):
			return errEnded
		case errors.Is(err, io.ErrUnexpectedEOF):
			return modelcall.ErrCutOff
		case err != nil:
			return err
		case len(next.Data) == 0: // a comment
			continue
		}
		ev, err := parseResponse(next.Data)
		if err != nil {
			return err
		}
		x.watch.Alive(ev.begins())
		if done, err := x.take(ev); done || err != nil {
			return err
		}
	}
	return errEndless
}

// metered bounds the bytes of a stream. Any byte shows that the agent is alive.
type metered struct {
	r     io.Reader
	left  int
	alive func()
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if n > 0 {
		m.alive()
	}
	if m.left -= n; m.left < 0 {
		return 0, errEndless
	}
	return n, err
}
