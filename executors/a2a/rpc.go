package a2a

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"

	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/foreign"
	"github.com/parley-run/parley/internal/httpclient"
)

type rpcRequest struct {
	Version string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

type rpcResponse struct {
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// isError reports whether the member of that name holds an error: some servers always
// send it.
func isError(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", `""`, "{}", "false", "[]":
		return false
	}
	return true
}

// request sends a request and returns a successful response. It sends no
// Idempotency-Key, with which Go's client would resend a POST: the message id
// identifies the request.
func (x *exchange) request(ctx context.Context, op operation, params func(dialect) any, accept string) (*http.Response, error) {
	x.calls++
	to := x.agent.routes[0]
	req, err := to.binding.request(ctx, to, op, params(to.dialect), x.calls)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	to.dialect.header(req.Header)
	x.sign(req)
	res, err := x.client.Do(req)
	if err != nil {
		return nil, err
	}
	if !modelcall.Succeeded(res) {
		return nil, refusal(res)
	}
	x.reached = true
	if foreign.IsPage(res.Header, nil) {
		defer func() { _ = res.Body.Close() }()
		return nil, page(res.Body)
	}
	return res, nil
}

func mediaType(res *http.Response) string {
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return media
}

// call sends a request about a task and returns the whole answer.
func (x *exchange) call(ctx context.Context, op operation, params func(dialect) any) (ev *event, err error) {
	err = x.inEither(func() error {
		res, err := x.request(ctx, op, params, "application/json")
		if err != nil {
			return err
		}
		ev, err = x.whole(res)
		return err
	})
	return ev, err
}

func (x *exchange) whole(res *http.Response) (*event, error) {
	defer func() { _ = res.Body.Close() }()
	data, err := modelcall.ReadAll(res.Body, x.maxFrame())
	if err != nil {
		return nil, err
	}
	if foreign.IsPage(res.Header, data) || foreign.IsXML(data) {
		return nil, page(bytes.NewReader(data))
	}
	ev, err := x.agent.routes[0].binding.read(data)
	switch { // an agent always answers with JSON-RPC
	case errors.Is(err, errNotJSON):
		return nil, notJSON(res.StatusCode, data)
	case errors.Is(err, errNeither):
		return nil, &foreign.Error{Status: res.StatusCode, What: "it has neither result nor error"}
	}
	return ev, err
}

// page is the error of a web page, or of an error in XML.
func page(body io.Reader) error {
	err := modelcall.Page(body)
	if refusal := (*modelcall.Refusal)(nil); errors.As(err, &refusal) {
		return &fault{Message: refusal.Report.Message, report: refusal.Report}
	}
	return err
}

// notJSON is the error of an answer that is a text: by its words, if they are those of a
// service, and else as of another server.
func notJSON(status int, data []byte) error {
	report, _ := apierror.Within(data)
	if _, means := report.Meaning(0, apierror.Table{}); means {
		return &fault{Message: report.Message, report: report}
	}
	return &foreign.Error{Status: status, What: "not a JSON object", Said: report.Message}
}

// maxFrame bounds what is read at a time. A task repeats the messages.
func (x *exchange) maxFrame() int { return wire.MaxFrame(2 * x.cfg.MaxReplyBytes) }

// Media types that requests accept, by the operation. An agent may answer either
// operation with a stream or in one piece.
var accepted = map[operation]string{
	opSend:   "application/json, text/event-stream;q=0.5",
	opStream: "text/event-stream, application/json;q=0.5",
}

// ask sends a message and takes the answer. It returns nil if that is complete, and
// errEnded if the agent ended it before.
func (x *exchange) ask(ctx context.Context, op operation, params func(dialect) any) error {
	res, err := x.request(ctx, op, params, accepted[op])
	if err != nil {
		return err
	}
	if streams(res) {
		return x.events(res)
	}
	ev, err := x.whole(res)
	if err != nil {
		return err
	}
	x.watch.Pause()
	if done, err := x.take(ev); done || err != nil {
		return err
	}
	if x.task == "" {
		return modelcall.ErrNoAnswer
	}
	return errEnded
}

// Unusable answers. Their text is not repeated.
var (
	errNotJSON     = errors.New("the answer is not a JSON object")
	errOffProtocol = errors.New("the answer does not keep to the protocol")
	errNeither     = fmt.Errorf("%w: it has neither result nor error", errOffProtocol)
)

func parseResponse(data []byte) (*event, error) {
	var res rpcResponse
	if err := parse(data, &res); err != nil {
		return nil, err
	}
	if isError(res.Error) {
		return nil, newFault(res.Error, data)
	}
	if !isError(res.Result) { // it is empty
		if report, ok := apierror.Within(data); ok { // of a server in front of the agent
			return nil, &fault{Message: report.Message, report: report}
		}
		return nil, errNeither
	}
	return readEvent(res.Result)
}

func parse(data []byte, into any) error {
	data = bytes.TrimSpace(data)
	if !utf8.Valid(data) {
		return modelcall.ErrInvalidUTF8
	}
	if len(data) == 0 || data[0] != '{' {
		return errNotJSON
	}
	err := json.Unmarshal(data, into)
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input":
		return modelcall.ErrCutOff
	case errors.As(err, &syntax):
		return errNotJSON
	case errors.As(err, &kind):
		return fmt.Errorf("%w: %s is of the wrong type", errOffProtocol, kind.Field)
	case err != nil:
		return errOffProtocol
	}
	return nil
}

// refusal reads a response other than 2xx and closes it.
func refusal(res *http.Response) error {
	body := modelcall.ErrorBody(res)
	if err := modelcall.Foreign(res, body, func() bool { return apierror.Own(res.StatusCode, body) }); err != nil {
		return err
	}
	out := &statusError{status: res.StatusCode, retryAfter: httpclient.RetryAfterOf(res.StatusCode, res.Header)}
	if !utf8.Valid(body) {
		return out
	}
	var rpc rpcResponse
	if json.Unmarshal(body, &rpc) == nil && isError(rpc.Error) {
		out.fault = newFault(rpc.Error, body)
	} else if report, _ := apierror.Read(body); report.Message != "" {
		out.fault = &fault{Message: report.Message, report: report}
	}
	return out
}
