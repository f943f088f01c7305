package gemini

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/secret"
)

// standIn is the key that the SDK knows.
const standIn = "set-by-the-transport"

// A transport stands between the SDK and the network. It has the secrets, so
// that the SDK, which puts its configuration into errors, has none. The SDK also
// reads whatever comes, drops invalid bytes, loses headers, and writes failures
// of a stream to the standard logger.
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

// An exchange is what the transport and the call have to tell each other.
type exchange struct {
	stream    bool // the answer is to come piece by piece
	checkOnly bool // the body is of no interest

	answered bool   // the server has accepted the request
	whole    []byte // an answer in one piece
	err      error  // what went wrong with the stream
}

type exchangeKey struct{}

func with(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// errWhole ends a call whose answer the exchange has: the SDK would overlook an
// error in it, and repeat it in an error of its own where it cannot read it.
var errWhole = errors.New("the answer came in one piece")

// RoundTrip sends the request with the key. Whatever is no answer is an error.
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
	res, err := modelcall.Send(req, t.next.RoundTrip, newStatusError)
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

// quiet ends a stream that fails as if it had ended: the exchange knows better.
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
