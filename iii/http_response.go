package iii

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// A Response answers a [Request].
type Response struct {
	// Status is 200 to 599. Default 200; a nil Response is answered with 204.
	Status int
	// Header of the response. May be nil.
	Header http.Header
	// Body is sent by its type: nil sends nothing, a string is text/plain, []byte is
	// application/octet-stream, an [io.Reader] is the same, streamed (and closed if it is
	// an [io.Closer]); any other value is sent as JSON. A Content-Type in Header replaces
	// these types.
	Body any
}

// envelope is an answer in one piece. The engine sends a string body as it is if there is
// a content type, else as JSON.
type envelope struct {
	StatusCode int      `json:"status_code"`
	Headers    []string `json:"headers,omitempty"` // "Name: value"
	Body       any      `json:"body"`
}

func (w *Worker) answer(ctx context.Context, r *Response, channel ChannelRef) (any, error) {
	status, header := r.Status, r.Header.Clone()
	if status == 0 {
		status = http.StatusOK
	}
	if status < 200 || status > 599 {
		return nil, fmt.Errorf("the status is %d, must be 200 to 599", status)
	}
	if header == nil {
		header = http.Header{}
	}
	fallback := func(contentType string) {
		if header.Get("Content-Type") == "" {
			header.Set("Content-Type", contentType)
		}
	}
	var text string
	switch body := r.Body.(type) {
	case nil, string:
		fallback("text/plain; charset=utf-8")
		text, _ = body.(string)
	case []byte:
		fallback("application/octet-stream")
		return nil, w.stream(ctx, channel, status, header, bytes.NewReader(body))
	case io.Reader:
		fallback("application/octet-stream")
		err := w.stream(ctx, channel, status, header, body)
		if closer, ok := body.(io.Closer); ok {
			err = errors.Join(err, closer.Close())
		}
		return nil, err
	default:
		encoded, err := raw(body, "null")
		if err != nil {
			return nil, fmt.Errorf("the body does not encode: %w", err)
		}
		if len(header) == 0 {
			return envelope{StatusCode: status, Body: encoded}, nil // all engines support this
		}
		fallback("application/json")
		text = string(encoded)
	}
	if channel.Valid() && !w.sendsText(ctx) {
		return nil, w.stream(ctx, channel, status, header, strings.NewReader(text))
	}
	e := envelope{StatusCode: status, Body: text}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			e.Headers = append(e.Headers, name+": "+value)
		}
	}
	return e, nil
}

// sendsText reports whether the engine uses the headers of an envelope and sends its
// text as it is. In era C all versions but the first do; they cannot be distinguished.
func (w *Worker) sendsText(ctx context.Context) bool {
	d, err := w.Dialect(ctx)
	return err == nil && d.Era >= EraD
}

// stream answers through the channel; the handler must then return no result. It waits
// for the first bytes, because until then an error can still be answered.
func (w *Worker) stream(ctx context.Context, channel ChannelRef, status int, header http.Header, body io.Reader) error {
	head, err := streamHead(status, header)
	if err != nil {
		return err
	}
	buffered := bufio.NewReaderSize(body, channelFrame)
	if _, err := buffered.Peek(1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	out, err := w.OpenWriter(ctx, channel)
	if err != nil {
		return err
	}
	defer out.end.cancel(io.ErrClosedPipe)
	for _, message := range head {
		if err := out.SendMessage(message); err != nil {
			return err
		}
	}
	// Not buffered.WriteTo, which would wait for a full buffer.
	if _, err := io.Copy(struct{ io.Writer }{out}, struct{ io.Reader }{buffered}); err != nil {
		w.log.Warn("the body of an HTTP response broke off", "status", status, "error", err)
		return err
	}
	return out.Close()
}

func streamHead(status int, header http.Header) ([]string, error) {
	single := map[string]string{}
	for name, values := range header {
		if name == "Set-Cookie" && len(values) > 1 {
			return nil, errors.New("a streamed response can set one cookie only")
		}
		single[name] = strings.Join(values, ", ")
	}
	var head []string
	for _, message := range []any{
		map[string]any{"type": "set_status", "status_code": status},
		map[string]any{"type": "set_headers", "headers": single},
	} {
		encoded, err := json.Marshal(message)
		if err != nil {
			return nil, err
		}
		head = append(head, string(encoded))
	}
	return head, nil
}
