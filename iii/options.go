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

// DefaultURL is where an engine listens if nobody says otherwise.
const DefaultURL = "ws://127.0.0.1:49134/"

// Options say how a [Worker] connects and who it is. The zero value is a worker
// of the engine on this machine.
type Options struct {
	// URL of the engine: ws, wss, http or https. Default [DefaultURL].
	URL string
	// Headers and Query go with every handshake. An engine that asks for
	// credentials takes them from there. They are never logged.
	Headers http.Header
	Query   url.Values
	// HTTPClient makes the handshake; for proxies and TLS. Default: one that obeys
	// the environment's proxy settings and follows no redirects.
	HTTPClient *http.Client

	// Name of this worker in the engine's list; unique in its namespace on engines
	// from 0.23. Default "hostname:pid".
	Name string
	// Description and Version of this worker, shown in that list.
	Description string
	Version     string
	// Project, the telemetry's project_name.
	Project string
	// Namespace this worker registers in, on engines from 0.23. Empty, the default:
	// none is sent, which means "default" there. Calls and triggers do not inherit
	// it: see [InNamespace], [Trigger].
	Namespace string

	// Era of the engine, if known. Zero: [Worker.Dialect] asks the engine.
	Era Era

	// MaxConcurrent is how many invocations run at once; further ones wait. Zero: no
	// limit. A function that calls, through the engine, another of the same worker
	// needs two places.
	MaxConcurrent int
	// QueueLimit is how many calls may wait for a connection. One more fails with
	// [ErrQueueFull]. Default 1000.
	QueueLimit int
	// CallTimeout of Invoke, Send and all built on them, time without a connection
	// included; [Timeout] sets another for one call. Default 30 s.
	CallTimeout time.Duration

	// PingInterval between keepalive pings, default 20 s. IdleTimeout without a word
	// from the engine, after which the connection is given up, default 60 s.
	// HandshakeTimeout until the engine has greeted, default 10 s.
	PingInterval     time.Duration
	IdleTimeout      time.Duration
	HandshakeTimeout time.Duration
	// ReadLimit is the size of the largest message taken, in bytes. A larger one
	// breaks the connection, and with it the calls of all others. Default 80 MiB:
	// engines take 64 MiB and pass on somewhat more than they took.
	ReadLimit int64

	// Logger gets connects, losses and refusals. Default: none.
	Logger *slog.Logger
	// OnState is called, one call at a time, after each change; it must not block.
	OnState func(State, error)
	// Propagator carries trace context and baggage. Default: W3C's both.
	Propagator propagation.TextMapPropagator
}

// endpoint is the address that is dialled, with whatever secrets are in it, and
// the one that may be shown.
type endpoint struct{ dial, shown string }

func (o Options) withDefaults() (Options, endpoint, error) {
	var faults []error
	for _, d := range []struct {
		name  string
		value *time.Duration
		zero  time.Duration
	}{
		{"CallTimeout", &o.CallTimeout, 30 * time.Second},
		{"PingInterval", &o.PingInterval, 20 * time.Second},
		{"IdleTimeout", &o.IdleTimeout, 60 * time.Second},
		{"HandshakeTimeout", &o.HandshakeTimeout, 10 * time.Second},
	} {
		if *d.value < 0 {
			faults = append(faults, fmt.Errorf("%s is %s, must not be negative", d.name, *d.value))
		}
		*d.value = cmp.Or(*d.value, d.zero)
	}
	if o.MaxConcurrent < 0 || o.QueueLimit < 0 || o.ReadLimit < 0 {
		faults = append(faults, errors.New("MaxConcurrent, QueueLimit and ReadLimit must not be negative"))
	}
	if o.IdleTimeout <= o.PingInterval {
		faults = append(faults, fmt.Errorf("IdleTimeout %s must be longer than PingInterval %s", o.IdleTimeout, o.PingInterval))
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
			// A redirect would carry the headers, and what secrets are in them, elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if o.Propagator == nil {
		o.Propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	}
	return o, at, nil
}

func (o Options) endpoint() (endpoint, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		// The parser's error quotes the address, which may hold a secret.
		return endpoint{}, errors.New("URL does not parse, want something like " + DefaultURL)
	}
	switch u.Scheme {
	case "ws", "wss":
	case "http", "https":
		u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	default:
		return endpoint{}, fmt.Errorf("URL has the scheme %q, want ws or wss", u.Scheme)
	}
	if u.Host == "" {
		return endpoint{}, errors.New("URL names no host, want something like " + DefaultURL)
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
