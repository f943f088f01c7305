package iiiserve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"

	"github.com/parley-run/parley/iii"
)

// envelope is the data of a call by an HTTP trigger.
type envelope struct {
	Method     string                     `json:"method"`
	Path       *string                    `json:"path"`
	PathParams map[string]json.RawMessage `json:"path_params"`
	Body       json.RawMessage            `json:"body"`
	// Engines from era D send Trigger; every version sends Headers.
	Trigger struct {
		Type string `json:"type"`
	} `json:"trigger"`
	Headers map[string]json.RawMessage `json:"headers"`
}

// enveloped decodes an HTTP trigger's envelope, if the data is one.
func enveloped(data json.RawMessage) (envelope, bool) {
	var e envelope
	if !bytes.Contains(data, []byte(`"headers"`)) || json.Unmarshal(data, &e) != nil {
		return e, false
	}
	return e, e.Trigger.Type == "http" || e.Method != "" && e.Path != nil && e.Headers != nil
}

// httpAnswer is the result that the engine turns into an HTTP response.
type httpAnswer struct {
	StatusCode int      `json:"status_code"`
	Headers    []string `json:"headers"`
	Body       any      `json:"body"`
}

// overHTTP serves calls by HTTP triggers, too: the request is the HTTP body, with the
// parameters of the path, and an error sets the HTTP status.
func overHTTP(serve iii.Handler) iii.Handler {
	return func(ctx context.Context, call iii.Invocation) (any, error) {
		e, ok := enveloped(call.Data)
		if !ok {
			return serve(ctx, call)
		}
		headers := []string{"Content-Type: application/json"}
		data, err := e.request()
		var out any
		if err == nil {
			call.Data = data
			out, err = serve(ctx, call)
		}
		if err == nil {
			return httpAnswer{http.StatusOK, headers, out}, nil
		}
		var coded *iii.Error
		if !errors.As(err, &coded) {
			coded = iii.Errorf(codeFailed, "%v", err)
		}
		if coded.Code == codeOverloaded {
			headers = append(headers, "Retry-After: 1")
		}
		return httpAnswer{statusOf(coded.Code), headers, map[string]any{"error": map[string]string{"code": coded.Code, "message": coded.Message}}}, nil
	}
}

// request is the body with the path's parameters, which replace fields of the body.
func (e envelope) request() (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	body := bytes.TrimSpace(e.Body)
	if len(body) > 0 && string(body) != "null" {
		if err := json.Unmarshal(body, &fields); err != nil {
			return nil, invalid("the HTTP request's body must be a JSON object, with Content-Type: application/json")
		}
	} else if e.Method == http.MethodPost || e.Method == http.MethodPut || e.Method == http.MethodPatch {
		return nil, invalid("the HTTP request has no JSON body: send an object, with Content-Type: application/json")
	}
	maps.Copy(fields, e.PathParams)
	return json.Marshal(fields)
}

// statusOf is the HTTP status of an error's code.
func statusOf(code string) int {
	switch code {
	case codeInvalid:
		return http.StatusBadRequest
	case codeRefused:
		return http.StatusForbidden
	case codeUnknown, codeNotFound:
		return http.StatusNotFound
	case codeOver, codeRejected, codeAttention:
		return http.StatusConflict
	case codeOverloaded:
		return http.StatusTooManyRequests
	case codeTimeout:
		return http.StatusGatewayTimeout
	case codeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
