package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/foreign"
	"github.com/parley-run/parley/internal/httpclient"
)

// A guard stands between the SDK and the server. The SDK ends its connection, and
// all calls on it, because of one answer that it cannot read: a status, a body that
// breaks off, a line of a stream. It also waits forever at the end of some streams.
// The guard therefore reads each answer to its end, and gives the SDK either one
// message or an error for that one call.
type guard struct {
	base    http.RoundTripper
	headers func(http.Header) // adds those of the configuration
	life    context.Context   // of the connection
	clean   func(string) string
	odd     *oddTools

	cancelling sync.WaitGroup // cancellations being sent
}

// A statusError is an answer with a status other than 2xx.
type statusError struct {
	status int
	header http.Header
	// answer is the server's JSON-RPC error; nil: none. Said is the message that it is in.
	answer *jsonrpc.Error
	said   envelope
	words  string
	// circle means that all answers were redirects.
	circle bool
	// foreign is the answer of something in front of the server; nil: the server
	// answered.
	foreign *foreign.Error
}

// answers reports whether the message is the answer to a call, which is final. Under some
// statuses it only says why the call was not made.
func (e *statusError) answers(call jsonrpc.ID) bool {
	if e.answer == nil || !e.said.answers(call, false) {
		return false
	}
	switch {
	case e.status >= 500, e.status == http.StatusUnprocessableEntity, mayHaveActed(e.status):
		return true
	case e.status == http.StatusBadRequest:
		return fault{code: e.answer.Code}.refuses()
	}
	return false
}

// mayHaveActed reports whether a call with this status may have been made. That of a
// server which has refused it was not. A proxy says some of them after it passed a
// request on.
func mayHaveActed(status int) bool {
	switch status {
	case http.StatusSeeOther, http.StatusRequestTimeout, http.StatusConflict, http.StatusFailedDependency, statusClientClosed, statusNoAnswer, statusIdle:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusNetworkAuthenticationRequired:
		return false
	}
	return status >= 500 || status < 300
}

// Statuses of nginx and of AWS, when one side went away.
const (
	statusNoAnswer     = 444
	statusIdle         = 460
	statusClientClosed = 499
)

func (e *statusError) Error() string {
	if e.foreign != nil {
		return e.foreign.Error()
	}
	text := fmt.Sprintf("the server answers %d %s", e.status, http.StatusText(e.status))
	if e.words != "" {
		text += ": " + conversation.Quote(e.words)
	}
	return text
}

// A lostError means that no whole answer arrived.
type lostError struct {
	reason error
	// unsent means that the request did not reach the server.
	unsent bool
}

func (e *lostError) Error() string { return e.reason.Error() }
func (e *lostError) Unwrap() error { return e.reason }

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	call, isCall, isCancel := about(req)
	if isCancel {
		return answer(&http.Response{StatusCode: http.StatusAccepted, Header: http.Header{}, Request: req}, nil), nil // see cancel
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	stop := context.AfterFunc(g.life, func() { cancel(context.Cause(g.life)) })
	defer cancel(nil) // the answer has been read
	delivery := deliveryOf(ctx)
	resp, err := g.follow(req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// Without a connection nothing is sent.
		GotConn: func(httptrace.GotConnInfo) { delivery.send() },
	})))
	defer func() {
		if isCall && ctx.Err() != nil {
			g.cancel(req, call)
		}
	}()
	defer stop()
	if errors.Is(err, io.EOF) { // net/http gives no better reason for a closed connection
		err = errHungUp
	}
	if err != nil {
		return nil, lost(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		if req.Method == http.MethodDelete { // the session may have ended already
			return answer(resp, nil), nil
		}
		return g.refused(resp, call, delivery)
	}
	if !isCall {
		return answer(resp, nil), nil
	}
	message, err := g.read(resp, call, delivery)
	switch {
	case errors.Is(err, errTooLarge), errors.Is(err, errUnreadable):
		return nil, err
	case err != nil:
		return nil, lost(ctx, err)
	}
	body, err := jsonrpc.EncodeMessage(message)
	if err != nil {
		return nil, err
	}
	return answer(resp, body), nil
}

// refused handles a status other than 2xx. The answer to a tool's call that came with it
// is an answer, unless the status says that the call was not made.
func (g *guard) refused(resp *http.Response, call jsonrpc.ID, d *delivery) (*http.Response, error) {
	err := g.refusal(resp)
	var status *statusError
	if d == nil || !errors.As(err, &status) || !status.answers(call) {
		return nil, err
	}
	body, err := jsonrpc.EncodeMessage(status.said.response(call, d))
	if err != nil {
		return nil, err
	}
	out := answer(resp, body)
	out.StatusCode, out.Status = http.StatusOK, ""
	return out, nil
}

// answer makes a response with a body that has been read.
func answer(resp *http.Response, body []byte) *http.Response {
	out := *resp
	out.Header = resp.Header.Clone()
	out.Header.Set("Content-Type", "application/json")
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return &out
}

func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var status *statusError
	if errors.As(err, &status) {
		return err
	}
	var dns *net.DNSError
	return &lostError{reason: err, unsent: errors.As(err, &dns) || errors.Is(err, syscall.ECONNREFUSED) || httpclient.NotSent(err)}
}

var errHungUp = errors.New("the server closed the connection without an answer")

// maxRedirects is how many redirects are followed.
const maxRedirects = 5

// follow sends the request, and sends it again to an address on the same server if
// the server redirects it: many want a slash at the end. It sends neither headers
// nor the call to another server.
func (g *guard) follow(req *http.Request) (*http.Response, error) {
	for range maxRedirects + 1 {
		next := req.Clone(req.Context())
		g.headers(next.Header)
		resp, err := g.base.RoundTrip(next)
		if err != nil {
			return nil, err
		}
		switch resp.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return resp, nil
		}
		to, err := req.URL.Parse(resp.Header.Get("Location"))
		if err != nil || to.Scheme != req.URL.Scheme || to.Host != req.URL.Host || to.User != nil {
			return resp, nil
		}
		_ = resp.Body.Close()
		req = req.Clone(req.Context())
		if to.RawQuery == "" {
			to.RawQuery = req.URL.RawQuery
		}
		req.URL = to
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
	return nil, &statusError{status: http.StatusLoopDetected, circle: true, words: fmt.Sprintf("more than %d redirects", maxRedirects)}
}

// maxRefusal bounds what is read of an answer with a status other than 2xx.
const maxRefusal = 64 << 10

func (g *guard) refusal(resp *http.Response) error {
	out := &statusError{status: resp.StatusCode, header: resp.Header}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if opened, ok := open(body); ok && opened[0].failure != nil && isProtocol(opened[0].failure) {
		f := faultOf(opened[0].failure)
		out.answer = &jsonrpc.Error{Code: f.code, Message: f.message, Data: f.data}
		out.said, out.words = opened[0], g.clean(f.message)
		return out
	}
	own := func() bool {
		return resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusMethodNotAllowed
	}
	if e := foreign.Find(resp.StatusCode, resp.Header, body, own); e != nil {
		e.Of = "server"
		out.foreign = e.Clean(g.clean)
		return out
	}
	if !foreign.IsPage(resp.Header, body) {
		out.words = g.clean(string(body))
	}
	return out
}

// isProtocol reports whether an error has the code that JSON-RPC demands, which other
// services' errors lack.
func isProtocol(raw json.RawMessage) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return false
	}
	_, ok := envelope{id: fields["code"]}.number()
	return ok
}

// about reports what the request carries: a call, with its id, the cancellation of
// one, or something else.
func about(req *http.Request) (call jsonrpc.ID, isCall, isCancel bool) {
	if req.Method != http.MethodPost || req.GetBody == nil {
		return call, false, false
	}
	body, err := req.GetBody()
	if err != nil {
		return call, false, false
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return call, false, false
	}
	message, err := jsonrpc.DecodeMessage(data)
	if r, ok := message.(*jsonrpc.Request); ok && err == nil {
		return r.ID, r.IsCall(), r.Method == cancelled
	}
	return call, false, false
}

const (
	cancelled = "notifications/cancelled"
	// cancelTimeout bounds the request that cancels an abandoned call.
	cancelTimeout = 2 * time.Second
)

// cancel sends the server the cancellation of an abandoned call, unless there is no
// session yet: an introduction must not be cancelled. The SDK does so too, but not
// on a connection that is closed at once: the tool would run on, and the end of the
// session would wait for it. It does not wait.
func (g *guard) cancel(of *http.Request, call jsonrpc.ID) {
	switch version := of.Header.Get("Mcp-Protocol-Version"); {
	case version == "", version >= withoutSession: // then the end of the request cancels it
		return
	}
	params, _ := json.Marshal(map[string]any{"requestId": call.Raw(), "reason": "the call was abandoned"}) // cannot fail
	body, err := jsonrpc.EncodeMessage(&jsonrpc.Request{Method: cancelled, Params: params})
	if err != nil {
		return
	}
	g.cancelling.Go(func() {
		ctx, stop := context.WithTimeout(g.life, cancelTimeout)
		defer stop()
		req := of.Clone(ctx)
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(body))
		if resp, err := g.follow(req); err == nil {
			_ = resp.Body.Close()
		}
	})
}
