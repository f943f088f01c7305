package iiitest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// httpFunction is a function that the engine runs itself, by a request.
type httpFunction struct {
	URL       string            `json:"url"`
	Method    string            `json:"method"`
	TimeoutMS *int64            `json:"timeout_ms"`
	Headers   map[string]string `json:"headers"`
	Auth      *struct {
		Type      string `json:"type"`
		SecretKey string `json:"secret_key"`
		TokenKey  string `json:"token_key"`
		Header    string `json:"header"`
		ValueKey  string `json:"value_key"`
	} `json:"auth"`
}

func (f *httpFunction) check() error {
	if f.URL == "" {
		return errors.New("invocation without url")
	}
	if !slices.Contains([]string{"", "GET", "POST", "PUT", "PATCH", "DELETE"}, f.Method) {
		return fmt.Errorf("invocation: unknown method %q", f.Method)
	}
	if f.TimeoutMS != nil && *f.TimeoutMS < 0 {
		return fmt.Errorf("invocation: timeout_ms is %d", *f.TimeoutMS)
	}
	if a := f.Auth; a != nil {
		complete := map[string]bool{
			"hmac": a.SecretKey != "", "bearer": a.TokenKey != "", "api_key": a.Header != "" && a.ValueKey != "",
		}
		if !complete[a.Type] {
			return fmt.Errorf("invocation: auth %q is unknown or incomplete", a.Type)
		}
	}
	return nil
}

// callHTTP runs an HTTP function beside everything else. Needs mu.
func (e *Engine) callHTTP(f *function, id string, m message, c *call) {
	r := e.run
	if r == nil {
		return // everything ends
	}
	r.parts.Go(func() {
		result, fault := e.requestHTTP(r.ctx, f, id, m)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.answer(c, message{FunctionID: m.FunctionID, Result: result, Error: fault})
		e.notify()
	})
}

// requestHTTP permits plain HTTP and private addresses, which an engine does only by
// configuration.
func (e *Engine) requestHTTP(ctx context.Context, f *function, id string, m message) (json.RawMessage, *body) {
	h := f.frame.Invocation
	timeout := 30 * time.Second
	if h.TimeoutMS != nil {
		timeout = time.Duration(*h.TimeoutMS) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, cmp.Or(h.Method, http.MethodPost), h.URL, bytes.NewReader(m.Data))
	if err != nil {
		return nil, &body{Code: "url_validation_failed", Message: err.Error()}
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("x-iii-Function-Path", m.FunctionID)
	request.Header.Set("x-iii-Invocation-ID", id)
	request.Header.Set("x-iii-Timestamp", stamp)
	for name, value := range h.Headers {
		request.Header.Set(name, value)
	}
	if fault := e.authenticate(request, h, stamp, m.Data); fault != nil {
		return nil, fault
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, &body{Code: "http_request_failed", Message: err.Error()}
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, &body{Code: "http_response_failed", Message: err.Error()}
	}
	return httpResult(response.StatusCode, answer)
}

func (e *Engine) authenticate(request *http.Request, h *httpFunction, stamp string, data []byte) *body {
	if h.Auth == nil {
		return nil
	}
	secret := e.opts.Getenv(h.Auth.SecretKey + h.Auth.TokenKey + h.Auth.ValueKey) // only one is set
	if secret == "" {
		return &body{Code: "http_request_failed", Message: "the environment lacks the secret"}
	}
	switch h.Auth.Type {
	case "hmac":
		mac := hmac.New(sha256.New, []byte(secret))
		_, _ = io.WriteString(mac, stamp+":"+base64.StdEncoding.EncodeToString(data)) // never fails
		request.Header.Set("x-iii-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	case "bearer":
		request.Header.Set("Authorization", "Bearer "+secret)
	case "api_key":
		request.Header.Set(h.Auth.Header, secret)
	}
	return nil
}

func httpResult(status int, answer []byte) (json.RawMessage, *body) {
	switch {
	case status >= 400:
		fault := &body{Code: "http_error", Message: fmt.Sprintf("HTTP %d %s", status, http.StatusText(status))}
		var reply struct {
			Error *struct {
				Code    *string `json:"code"`
				Message *string `json:"message"`
			} `json:"error"`
		}
		if json.Unmarshal(answer, &reply) == nil && reply.Error != nil {
			fault.Message = "HTTP request failed"
			if reply.Error.Code != nil {
				fault.Code = *reply.Error.Code
			}
			if reply.Error.Message != nil {
				fault.Message = *reply.Error.Message
			}
		}
		return nil, fault
	case json.Valid(answer):
		return answer, nil
	case status >= 300 || len(answer) == 0:
		return nil, nil
	}
	return nil, &body{Code: "invalid_response", Message: "the answer is not JSON"}
}
