package iii

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

// DefaultURL is the default address of an engine on this machine.
const DefaultURL = "ws://127.0.0.1:49134/"

// Options are the settings of a [Worker]. The zero value connects to the engine on this
// machine, with the defaults below.
type Options struct {
	// URL of the engine: ws, wss, http or https. Default [DefaultURL].
	URL string
	// Headers and Query are sent with every handshake. They carry the credentials where
	// an engine demands some. They are never logged. Default: none.
	Headers http.Header
	Query   url.Values
	// HTTPClient makes the handshake, for proxies and TLS. Default: a client that uses
	// the environment's proxy settings and follows no redirects.
	HTTPClient *http.Client

	// Name of this worker in the engine's list; unique in its namespace on engines
	// from 0.23. Default "hostname:pid".
	Name string
	// Description and Version of this worker, shown in that list. Default: empty.
	Description string
	Version     string
	// Project is sent as the telemetry's project_name. Default: empty.
	Project string
	// Namespace that this worker registers its functions in, on engines from 0.23.
	// Default: none is sent, which means "default" there. Calls and triggers do not
	// inherit it: see [InNamespace], [Trigger].
	Namespace string

	// Era of the engine, if known. Zero: [Worker.Dialect] detects it.
	Era Era

	// MaxConcurrent is how many handlers run at once; further invocations wait. Zero: no
	// limit. A handler that calls another function of the same worker through the engine
	// counts as a second one.
	MaxConcurrent int
	// QueueLimit is how many calls may wait for a connection; further ones fail with
	// [ErrQueueFull]. Default 1000.
	QueueLimit int
	// CallTimeout bounds Invoke, Send and the methods built on them, including the wait
	// for a connection; [Timeout] sets another for one call. Default 30 s.
	CallTimeout time.Duration

	// PingInterval is the time between keepalive pings. Default 20 s.
	PingInterval time.Duration
	// IdleTimeout is how long the worker keeps a connection on which it receives
	// nothing. It must be longer than PingInterval. Default 60 s.
	IdleTimeout time.Duration
	// HandshakeTimeout bounds a connection attempt, up to the engine's greeting.
	// Default 10 s.
	HandshakeTimeout time.Duration
	// ReadLimit is the size of the largest message that is read, in bytes. A larger one
	// breaks the connection, which fails all calls on it. Default 80 MiB: engines accept
	// 64 MiB and pass on slightly more than they accepted.
	ReadLimit int64

	// Logger receives connections, losses and refusals. Default: no log.
	Logger *slog.Logger
	// OnState is called after each change of state, one call at a time, with the error
	// that [Worker.Err] returns. It must not block. Default: none.
	OnState func(State, error)
	// Propagator carries trace context and baggage. Default: W3C trace context and
	// baggage.
	Propagator propagation.TextMapPropagator
}

// endpoint is the address that is dialled, secrets included, and the one that may be
// shown.
type endpoint struct{ dial, shown string }

// withDefaults fills the defaults in, and reports every fault at once.
func (o Options) withDefaults() (Options, endpoint, error) {
	faults := o.fillTimes()
	if o.MaxConcurrent < 0 || o.QueueLimit < 0 || o.ReadLimit < 0 {
		faults = append(faults, errors.New("MaxConcurrent, QueueLimit and ReadLimit must not be negative"))
	}
	if o.Era != 0 && !o.Era.valid() {
		faults = append(faults, fmt.Errorf("unknown Era %q, must be one of A to F", rune(o.Era)))
	}
	o.QueueLimit = cmp.Or(o.QueueLimit, 1000)
	o.ReadLimit = cmp.Or(o.ReadLimit, 80<<20)
	o.URL = cmp.Or(o.URL, DefaultURL)
	at, err := o.endpoint()
	if err != nil {
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return Options{}, endpoint{}, fmt.Errorf("iii: %w", err)
	}
	o.Headers = o.Headers.Clone()
	o.fillDependencies()
	return o, at, nil
}

// fillTimes fills the defaults of durations in, and returns their faults.
func (o *Options) fillTimes() (faults []error) {
	for _, d := range []struct {
		name     string
		value    *time.Duration
		fallback time.Duration
	}{
		{"CallTimeout", &o.CallTimeout, 30 * time.Second},
		{"PingInterval", &o.PingInterval, 20 * time.Second},
		{"IdleTimeout", &o.IdleTimeout, 60 * time.Second},
		{"HandshakeTimeout", &o.HandshakeTimeout, 10 * time.Second},
	} {
		if *d.value < 0 {
			faults = append(faults, fmt.Errorf("%s is %s, must not be negative", d.name, *d.value))
		}
		*d.value = cmp.Or(*d.value, d.fallback)
	}
	if o.IdleTimeout <= o.PingInterval {
		faults = append(faults, fmt.Errorf("IdleTimeout %s must be longer than PingInterval %s", o.IdleTimeout, o.PingInterval))
	}
	return faults
}

// fillDependencies fills the name, the logger, the HTTP client and the propagator in.
func (o *Options) fillDependencies() {
	if o.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown"
		}
		o.Name = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{
			// A redirect would send the headers, and the secrets in them, to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if o.Propagator == nil {
		o.Propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	}
}

func (o Options) endpoint() (endpoint, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		// The parser's error quotes the address, which may hold a secret.
		return endpoint{}, errors.New("URL does not parse, write one like " + DefaultURL)
	}
	switch u.Scheme {
	case "ws", "wss":
	case "http", "https":
		u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	default:
		return endpoint{}, fmt.Errorf("URL has the scheme %q, must be ws or wss", u.Scheme)
	}
	if u.Host == "" {
		return endpoint{}, errors.New("URL has no host, write one like " + DefaultURL)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.Fragment = ""
	query := u.Query()
	for name, values := range o.Query {
		query[name] = values
	}
	u.RawQuery = query.Encode()
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return endpoint{dial: u.String(), shown: shown.String()}, nil
}
