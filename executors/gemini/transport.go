package gemini

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/secret"
)

// standIn is the placeholder key given to the SDK.
const standIn = "set-by-the-transport"

// A transport stands between the SDK and the network. It holds the secrets, because
// the SDK puts its configuration into errors. The SDK also reads bodies of any
// size, drops invalid bytes, loses headers, and writes failures of a stream to the
// standard logger.
type transport struct {
	next          http.RoundTripper
	key           secret.String
	headers       map[string]secret.String
	maxReplyBytes int
}

func newTransport(cfg Config) *transport {
	return &transport{
		next: cfg.HTTPClient.Transport,
		key:  cfg.APIKey, headers: cfg.Headers, maxReplyBytes: cfg.MaxReplyBytes,
	}
}

// An exchange carries data between the transport and the call.
type exchange struct {
	stream    bool // a stream is requested
	checkOnly bool // the body is not needed

	answered bool   // the server has accepted the request
	whole    []byte // a whole answer
	err      error  // why the stream failed
}

type exchangeKey struct{}

func with(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// errWhole ends a call whose answer is in the exchange: the SDK would miss an error
// in it, and repeat an unreadable answer in its own error.
var errWhole = errors.New("the answer came in one piece")

// RoundTrip sends the request with the key. It returns an error for every response
// that is no answer.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	x, _ := req.Context().Value(exchangeKey{}).(*exchange)
	if x == nil {
		x = &exchange{}
	}
	req = req.Clone(req.Context())
	req.Header.Del(keyHeader)
	if t.key != "" {
		req.Header.Set(keyHeader, t.key.Reveal())
	}
	for name, value := range t.headers {
		req.Header.Set(name, value.Reveal())
	}
	res, err := modelcall.Send(req, t.next.RoundTrip, modelcall.NewRefusal)
	if err != nil {
		return nil, err
	}
	if x.checkOnly {
		_ = res.Body.Close()
		res.Body = http.NoBody
		return res, nil
	}
	x.answered = true
	whole, err := modelcall.Bound(res, x.stream, t.maxReplyBytes)
	if err == nil && !x.stream {
		whole, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	switch {
	case err != nil:
		return nil, err
	case whole != nil:
		x.whole = whole
		return nil, errWhole
	}
	res.Body = &quiet{ReadCloser: newEvents(res.Body), x: x}
	return res, nil
}

// quiet ends a failed stream like a complete one: the error is in the exchange.
type quiet struct {
	io.ReadCloser
	x *exchange
}

func (q *quiet) Read(p []byte) (int, error) {
	n, err := q.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		q.x.err, err = err, io.EOF
	}
	return n, err
}

func (q *quiet) Close() error {
	_ = q.ReadCloser.Close()
	return nil
}
