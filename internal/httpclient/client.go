package httpclient

import (
	"cmp"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The bounds of a client that does not set its own.
const (
	DefaultDialTimeout = 10 * time.Second
	DefaultIdleTimeout = 90 * time.Second
	// MaxHeaderBytes bounds the header of an answer.
	MaxHeaderBytes = 256 << 10
	// idlePerHost is how many unused connections to one host are kept.
	idlePerHost = 32
)

// Config configures a client. The zero Config is a client for streams: it bounds
// connecting, and leaves the time and size of answers to its callers.
type Config struct {
	// Client is a caller's own client. It is copied: the copy sends through its
	// transport, with its cookies and its Timeout. Nil: a transport of our own, which
	// uses the proxies of the environment.
	Client *http.Client
	// DialTimeout bounds connecting, and TLS's handshake, each. Zero:
	// [DefaultDialTimeout]. It has no effect on a caller's client.
	DialTimeout time.Duration
	// IdleTimeout is how long an unused connection is kept. Zero:
	// [DefaultIdleTimeout]. It has no effect on a caller's client.
	IdleTimeout time.Duration
	// HeaderTimeout bounds the wait for the header of an answer. Zero: no bound. It has
	// no effect on a caller's client.
	HeaderTimeout time.Duration
	// Timeout bounds a request together with its answer, streams included. Zero: the
	// caller's client's, or no bound.
	Timeout time.Duration
	// MaxBody is how many bytes of an answer can be read, after decompression. Reading
	// more is a [TooLargeError]. Zero: no bound.
	MaxBody int64
	// FollowSlash follows a redirect (307 or 308) that stays on the same server and
	// only adds or removes the slash at the end of the path. No other is followed.
	FollowSlash bool
	// Guard restricts which addresses are connected to; the environment's proxy is not
	// used then. Nil: any address. A caller's client is guarded only if its transport
	// is an [http.Transport].
	Guard *Guard
	// Untraced keeps the trace context out of requests.
	Untraced bool
}

// New returns a client that is safe for concurrent use.
func New(cfg Config) *http.Client {
	var client http.Client
	if cfg.Client != nil {
		client = *cfg.Client
	}
	client.Timeout = cmp.Or(cfg.Timeout, client.Timeout)
	client.Transport = &transport{base: base(client.Transport, cfg), maxBody: cfg.MaxBody, untraced: cfg.Untraced}
	client.CheckRedirect = refuseRedirects
	if cfg.FollowSlash {
		client.CheckRedirect = followSlash
	}
	return &client
}

// base is the innermost transport.
func base(given http.RoundTripper, cfg Config) http.RoundTripper {
	if given == nil {
		given = newTransport(cfg)
	}
	if own, ok := given.(*http.Transport); ok && cfg.Guard != nil {
		guarded := own.Clone()
		guarded.Proxy, guarded.DialTLSContext = nil, nil
		guarded.DialContext = cfg.Guard.dial(cmp.Or(cfg.DialTimeout, DefaultDialTimeout))
		return guarded
	}
	return given
}

func newTransport(cfg Config) *http.Transport {
	timeout := cmp.Or(cfg.DialTimeout, DefaultDialTimeout)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    timeout,
		IdleConnTimeout:        cmp.Or(cfg.IdleTimeout, DefaultIdleTimeout),
		MaxIdleConns:           8 * idlePerHost,
		MaxIdleConnsPerHost:    idlePerHost,
		ResponseHeaderTimeout:  cfg.HeaderTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: MaxHeaderBytes,
	}
}

func refuseRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// followSlash permits one redirect that keeps method, body and server.
func followSlash(next *http.Request, via []*http.Request) error {
	from := via[len(via)-1].URL
	status := 0
	if next.Response != nil {
		status = next.Response.StatusCode
	}
	keeps := status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
	if len(via) > 1 || !keeps || !slashOnly(from, next.URL) {
		return http.ErrUseLastResponse
	}
	next.URL.RawQuery = from.RawQuery
	return nil
}

// slashOnly reports whether the addresses differ only in the slash at the path's end.
func slashOnly(from, to *url.URL) bool {
	return to.Scheme == from.Scheme && to.Host == from.Host && to.User == nil && to.Path != from.Path &&
		strings.TrimSuffix(to.Path, "/") == strings.TrimSuffix(from.Path, "/")
}
