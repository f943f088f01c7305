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
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// HTTPTrigger has the engine call functionID for each HTTP request with this method
// and path, such as "/users/:id". The handler is one of [Worker.HTTPHandler].
func HTTPTrigger(method, path, functionID string) Trigger {
	return Trigger{Type: "http", FunctionID: functionID, Config: map[string]string{"api_path": path, "http_method": method}}
}

// A Request is what an http trigger brings.
type Request struct {
	Method string
	// Path as it was registered: "/users/:id", with what id was in PathParams.
	Path       string
	PathParams map[string]string
	Query      url.Values
	Header     http.Header
	// JSON is the body if its content type says JSON; nil if not, or if it is none.
	JSON json.RawMessage
	// Context is what middleware has left; nil if there was none.
	Context json.RawMessage

	w    *Worker
	body ChannelRef
}

// Decode reads a JSON body into v. Its error is an [*Error] with
// [CodeInvalidRequest].
func (r *Request) Decode(v any) error {
	if r.JSON == nil {
		return Errorf(CodeInvalidRequest, "the body is not JSON, or its content type does not say so")
	}
	if err := json.Unmarshal(r.JSON, v); err != nil {
		return Errorf(CodeInvalidRequest, "the body: %v", err)
	}
	return nil
}

// OpenBody streams the body, whatever its type, as it was sent. It can be opened
// once. Close it.
func (r *Request) OpenBody(ctx context.Context) (io.ReadCloser, error) {
	if !r.body.Valid() { // engines that have no channels
		return io.NopCloser(bytes.NewReader(r.JSON)), nil
	}
	return r.w.OpenReader(ctx, r.body)
}

// A Response answers a [Request].
type Response struct {
	// Status, default 200, or 204 for a nil Response.
	Status int
	Header http.Header
	// Body is sent by its type: nil nothing, a string as text/plain, []byte as
	// application/octet-stream, an [io.Reader] likewise and piece by piece (it is
	// closed if it can be), anything else as JSON. A Content-Type in Header takes the
	// place of these.
	Body any
}

// HTTPHandler makes a handler of a function for [HTTPTrigger]. An error becomes the
// engine's own answer with status 500, which shows its text to whoever asked, from
// 0.11 on.
//
// What engines before 0.11.3 would spoil, headers and all but JSON, goes through
// the channel they offer for streams, as do bytes and readers always. A stream that
// breaks after its first bytes looks to the client as if it had ended: HTTP over
// this engine cannot tell it otherwise.
func (w *Worker) HTTPHandler(serve func(context.Context, *Request) (*Response, error)) Handler {
	return func(ctx context.Context, call Invocation) (any, error) {
		request, response, err := w.httpRequest(call)
		if err != nil {
			return nil, err
		}
		answer, err := serve(ctx, request)
		if err != nil {
			return nil, err
		}
		if answer == nil {
			answer = &Response{Status: http.StatusNoContent}
		}
		return w.answer(ctx, answer, response)
	}
}

// values is one string or several: engines send one, their SDKs allow for both.
type values []string

func (v *values) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*v = values{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(v))
}

func (w *Worker) httpRequest(call Invocation) (*Request, ChannelRef, error) {
	var data struct {
		Method      string            `json:"method"`
		Path        string            `json:"path"`
		PathParams  map[string]string `json:"path_params"`
		QueryParams map[string]values `json:"query_params"`
		Headers     map[string]values `json:"headers"`
		Body        json.RawMessage   `json:"body"`
		Context     json.RawMessage   `json:"context"`
		RequestBody ChannelRef        `json:"request_body"`
		Response    ChannelRef        `json:"response"`
	}
	if err := call.Decode(&data); err != nil {
		return nil, ChannelRef{}, err
	}
	r := &Request{
		Method: data.Method, Path: data.Path, PathParams: data.PathParams, Query: url.Values{}, Header: http.Header{},
		JSON: data.Body, Context: data.Context, w: w, body: data.RequestBody,
	}
	for name, v := range data.QueryParams {
		r.Query[name] = v
	}
	for name, v := range data.Headers {
		r.Header[textproto.CanonicalMIMEHeaderKey(name)] = v
	}
	// An engine says null for a body of another type as well.
	if string(r.JSON) == "null" {
		r.JSON = nil
	}
	return r, data.Response, nil
}

// envelope is an answer in one piece. A body with a content type is text there; one
// without becomes JSON.
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
		return nil, fmt.Errorf("the status is %d", status)
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
			return envelope{StatusCode: status, Body: encoded}, nil // every engine understands this
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

// sendsText reports whether the engine heeds the headers of an envelope, and sends
// its text as it is. Of era C only the first do not; nothing tells them apart.
func (w *Worker) sendsText(ctx context.Context) bool {
	d, err := w.Dialect(ctx)
	return err == nil && d.Era >= EraD
}

// stream answers through the channel. The handler must return no result then. The
// first bytes are waited for, because until then an error can still be told.
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
	// Not buffered.WriteTo: what trickles in goes out at once.
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
