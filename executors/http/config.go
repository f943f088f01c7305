package http

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// The defaults of a [Config].
const (
	DefaultProvider          = "http"
	DefaultTimeout           = modelcall.DefaultTimeout
	DefaultFirstTokenTimeout = modelcall.DefaultFirstTokenTimeout
	DefaultGapTimeout        = modelcall.DefaultGapTimeout
	DefaultMaxReplyBytes     = modelcall.DefaultMaxReplyBytes
	DefaultPollInterval      = 2 * time.Second
	DefaultSignatureHeader   = "X-Parley-Signature"
)

// Config says where the agent is and how to talk to it.
type Config struct {
	// URL is where requests are posted. Required.
	URL string `yaml:"url"`
	// BearerToken is sent as the Authorization header.
	BearerToken secret.String `yaml:"bearer_token"`
	// HMAC signs requests, so that the agent knows that they are yours.
	HMAC HMAC `yaml:"hmac"`
	// Headers are sent with every request: an API key by any name, for instance.
	Headers map[string]secret.String `yaml:"headers"`
	// Provider and Model are the names that results carry where the agent does
	// not say. Defaults: DefaultProvider, none.
	Provider string `yaml:"provider"`
	Model    string `yaml:"model"`
	// Send says which messages go along. Default: wire.SendAll.
	Send wire.Send `yaml:"send"`
	// Stream asks for server-sent events, so that a stall is noticed. An agent may
	// stream without being asked to, and need not although it is. Default: false.
	Stream bool `yaml:"stream"`
	// Timeout bounds a whole call, polls included. Default: DefaultTimeout.
	Timeout time.Duration `yaml:"timeout"`
	// FirstTokenTimeout bounds the wait for an answer that was asked to stream, or
	// its first piece. Default: DefaultFirstTokenTimeout.
	FirstTokenTimeout time.Duration `yaml:"first_token_timeout"`
	// GapTimeout bounds the wait for each further piece, and for the answer to a
	// poll. Default: DefaultGapTimeout.
	GapTimeout time.Duration `yaml:"gap_timeout"`
	// MaxReplyBytes bounds a reply. Default: DefaultMaxReplyBytes.
	MaxReplyBytes int `yaml:"max_reply_bytes"`
	// PollInterval is the pause between polls where the agent names none.
	// Default: DefaultPollInterval.
	PollInterval time.Duration `yaml:"poll_interval"`
	// Health is what Check gets: a path, or a URL of the same server. Default: a
	// connection to the server is enough.
	Health string `yaml:"health"`
	// Request and Response are for agents that do not keep to the contract.
	Request  RequestMapping  `yaml:"request"`
	Response ResponseMapping `yaml:"response"`
	// HTTPClient sends the requests. Default: one of our own.
	HTTPClient *http.Client `yaml:"-"`
}

func (c Config) timers() modelcall.Timers {
	return modelcall.Timers{Total: c.Timeout, FirstToken: c.FirstTokenTimeout, Gap: c.GapTimeout}
}

func (c Config) withDefaults() Config {
	t := c.timers().WithDefaults()
	c.Timeout, c.FirstTokenTimeout, c.GapTimeout = t.Total, t.FirstToken, t.Gap
	c.Provider = cmp.Or(c.Provider, DefaultProvider)
	c.Send = cmp.Or(c.Send, wire.SendAll)
	c.MaxReplyBytes = cmp.Or(c.MaxReplyBytes, DefaultMaxReplyBytes)
	c.PollInterval = cmp.Or(c.PollInterval, DefaultPollInterval)
	c.HMAC.Header = cmp.Or(c.HMAC.Header, DefaultSignatureHeader)
	return c
}

// validate reports every fault, each with its key and what would be right.
func (c Config) validate() (*mapping, error) {
	var f settings.Faults
	if c.URL == "" {
		f.Add("url", "write the address to post to, such as http://localhost:8000/reply", "is missing")
	} else {
		f.Server("url", c.URL, "http://localhost:8000/reply")
	}
	f.Include(checkHealth(c.URL, c.Health))
	f.Sender(c.BearerToken, c.Headers, "Content-Type", "Content-Length", "Host", "Idempotency-Key")
	c.HMAC.validate(&f, c.Headers)
	settings.OneOf(&f, "send", c.Send, wire.SendAll, wire.SendNew)
	c.timers().Validate(&f)
	f.Count("max_reply_bytes", int64(c.MaxReplyBytes))
	f.Duration("poll_interval", c.PollInterval)
	m := newMapping(c.Request, c.Response, &f)
	return m, f.Err()
}

func checkHealth(base, s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil // reported already
	}
	ref, err := url.Parse(s)
	if err != nil {
		return settings.Fault("health", "write one like /healthz", "is no path")
	}
	if !sameServer(u, u.ResolveReference(ref)) {
		return settings.Fault("health", "your keys would go there: write a path of the same server", "is on another server than url")
	}
	return nil
}

// sameServer reports whether what is meant for one may be sent to the other.
func sameServer(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Host, b.Host) && b.User == nil
}
