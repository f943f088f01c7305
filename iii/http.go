package iii

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
)

// HTTPTrigger returns a trigger that calls functionID for each HTTP request with this
// method and path, such as "/users/:id". [Worker.HTTPHandler] makes its handler.
func HTTPTrigger(method, path, functionID string) Trigger {
	return Trigger{Type: "http", FunctionID: functionID, Config: map[string]string{"api_path": path, "http_method": method}}
}

// A Request is the HTTP request of an [HTTPTrigger].
type Request struct {
	Method string
	// Path as it was registered, such as "/users/:id"; PathParams has the value of id.
	Path       string
	PathParams map[string]string
	Query      url.Values
	Header     http.Header
	// JSON is the body if its content type is JSON and it is valid; else nil.
	JSON json.RawMessage
	// Context is what the engine's middleware added; nil without middleware.
	Context json.RawMessage

	w    *Worker
	body ChannelRef
}

// Decode decodes a JSON body into v. Its error is an [*Error] with
// [CodeInvalidRequest].
func (r *Request) Decode(v any) error {
	if r.JSON == nil {
		return Errorf(CodeInvalidRequest, "the body is not JSON, or its content type is not a JSON type")
	}
	if err := json.Unmarshal(r.JSON, v); err != nil {
		return Errorf(CodeInvalidRequest, "the body: %v", err)
	}
	return nil
}

// OpenBody streams the body as it was sent, of any type. It can be opened once, and the
// caller must close it.
func (r *Request) OpenBody(ctx context.Context) (io.ReadCloser, error) {
	if !r.body.Valid() { // engines that have no channels
		return io.NopCloser(bytes.NewReader(r.JSON)), nil
	}
	return r.w.OpenReader(ctx, r.body)
}

// HTTPHandler returns a handler for the function of an [HTTPTrigger]. An error of serve
// becomes the engine's answer with status 500, which from 0.11 on shows the error's text
// to the client.
//
// Bytes and readers are sent through the channel that the engine offers for streams, and
// so is everything that engines before 0.11.3 would garble: headers and all bodies but
// JSON. To the client, a stream that breaks after its first bytes looks complete: the
// engine does not pass the error on.
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

// values is one string or several: engines send one, their SDKs accept both.
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
	// An engine sends null for a body of another type, too.
	if string(r.JSON) == "null" {
		r.JSON = nil
	}
	return r, data.Response, nil
}
