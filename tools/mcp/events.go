package mcp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/parley-run/parley/tools"
)

const (
	// maxStream bounds a stream, including all messages before the answer.
	maxStream = 4 * maxAnswer
	// maxEvents bounds the events of a stream before the answer, such as progress.
	maxEvents = 10_000
)

var errManyEvents = fmt.Errorf("the stream had more than %d events before the answer", maxEvents)

// readEvents reads server-sent events until the answer to the call arrives. It skips
// everything else, such as progress.
func (g *guard) readEvents(body io.Reader, call jsonrpc.ID, d *delivery) (jsonrpc.Message, error) {
	events := newEvents(body)
	var odd []byte // seems to be an answer, and is not JSON
	for range maxEvents {
		data, err := events.next()
		if errors.Is(err, errTooLarge) {
			return g.unread(call, d, tooLarge, errTooLarge)
		}
		opened, ok := open(data)
		if ok {
			if e := find(opened, call); e != nil {
				return g.odd.response(*e, call, d), nil
			}
		} else if bytes.Contains(data, []byte("{")) {
			odd = bytes.Clone(data)
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("the stream broke off before the answer: %w", err)
		case odd != nil && d != nil && !isOpenEnded(odd):
			return g.unread(call, d, func() (tools.Result, bool) { return unreadable(odd) }, errUnreadable)
		default:
			return nil, errors.New("the stream ended before the answer")
		}
	}
	return nil, errManyEvents
}

// isOpenEnded reports whether data may be the beginning of a message.
func isOpenEnded(data []byte) bool {
	data = trimmed(data)
	return !bytes.HasSuffix(data, []byte("}")) && !bytes.HasSuffix(data, []byte("]"))
}

// events reads a stream of server-sent events, whatever ends their lines.
type events struct {
	r *bufio.Reader
	// skip is a line feed that would belong to the line end before it.
	skip bool
}

func newEvents(body io.Reader) *events {
	e := &events{r: bufio.NewReaderSize(&io.LimitedReader{R: body, N: maxStream}, 64<<10)}
	if start, err := e.r.Peek(len(bom)); err == nil && bytes.Equal(start, bom) {
		_, _ = e.r.Discard(len(bom))
	}
	return e
}

// next returns the data of the next event, which may be empty. With an error it returns
// the data of the event that it ends.
func (e *events) next() ([]byte, error) {
	var data []byte
	for {
		line, err := e.line(maxAnswer - len(data))
		if errors.Is(err, errTooLarge) {
			return nil, err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(name) == "data" {
			data = append(append(data, bytes.TrimPrefix(value, []byte(" "))...), '\n')
		}
		if err != nil || len(line) == 0 {
			return data, err
		}
	}
}

// line returns the next line without its end, which is CR, LF or both.
func (e *events) line(limit int) ([]byte, error) {
	var line []byte
	for {
		if _, err := e.r.Peek(1); err != nil {
			return line, err
		}
		piece, _ := e.r.Peek(e.r.Buffered())
		if e.skip && piece[0] == '\n' {
			_, _ = e.r.Discard(1)
			e.skip = false
			continue
		}
		e.skip = false
		end := bytes.IndexAny(piece, "\r\n")
		n := end
		if end < 0 {
			n = len(piece)
		}
		if len(line)+n > limit {
			return nil, errTooLarge
		}
		line = append(line, piece[:n]...)
		if end >= 0 {
			e.skip = piece[end] == '\r'
			_, _ = e.r.Discard(n + 1)
			return line, nil
		}
		_, _ = e.r.Discard(n)
	}
}
