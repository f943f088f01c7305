package gemini

import (
	"context"
	"errors"
	"net/http"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/secret"
)

// standIn is the placeholder key given to the SDK.
const standIn = "set-by-the-transport"

// A transport stands between the SDK and the network. It holds the secrets, because
// the SDK puts its configuration into errors.
type transport struct {
	next    http.RoundTripper
	key     secret.String
	headers map[string]secret.String
}

func newTransport(cfg Config) *transport {
	return &transport{next: cfg.HTTPClient.Transport, key: cfg.APIKey, headers: cfg.Headers}
}

// An exchange carries data between the transport and the call.
type exchange struct {
	checkOnly bool // the body is not needed

	response *http.Response
}

type exchangeKey struct{}

func with(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// errAnswered ends the SDK's part of a call: the response is in the exchange.
var errAnswered = errors.New("the server answered")

// RoundTrip sends the request with the key. It returns an error for every response:
// errAnswered for an answer.
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
	x.response = res
	return nil, errAnswered
}
