package http

import (
	"cmp"
	"net/http"
	"net/url"
	"time"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// Defaults of a [Config].
const (
	DefaultProvider          = "http"
	DefaultTimeout           = executors.DefaultTimeout
	DefaultFirstTokenTimeout = executors.DefaultFirstTokenTimeout
	DefaultGapTimeout        = executors.DefaultGapTimeout
	DefaultMaxReplyBytes     = executors.DefaultMaxReplyBytes
	DefaultPollInterval      = 2 * time.Second
	DefaultSignatureHeader   = "X-Parley-Signature"
)

// Config names the agent's address and how to call it.
type Config struct {
	// URL is the address that requests are posted to. Required.
	URL string `yaml:"url"`
	// BearerToken is sent as the Authorization header.
	BearerToken secret.String `yaml:"bearer_token"`
	// HMAC signs requests, so that the agent can verify their sender. Default:
	// unsigned.
	HMAC HMAC `yaml:"hmac"`
	// Headers are sent with every request, for example an API key. Default: none.
	Headers map[string]secret.String `yaml:"headers"`
	// Provider and Model are used in results if the answer names none. Defaults:
	// DefaultProvider, none.
	Provider string `yaml:"provider"`
	Model    string `yaml:"model"`
	// Send selects the messages of a request. Default: wire.SendAll.
	Send wire.Send `yaml:"send"`
	// Stream requests server-sent events, which make a stall noticeable. An agent
	// may stream without the request, and may ignore it. Default: false.
	Stream bool `yaml:"stream"`
	// Timeout bounds a whole call, polls included. Default: DefaultTimeout.
	Timeout time.Duration `yaml:"timeout"`
	// FirstTokenTimeout bounds the wait for the first piece of a requested stream.
	// Default: DefaultFirstTokenTimeout.
	FirstTokenTimeout time.Duration `yaml:"first_token_timeout"`
	// GapTimeout bounds the wait for each further piece, and for the answer to a
	// poll. Default: DefaultGapTimeout.
	GapTimeout time.Duration `yaml:"gap_timeout"`
	// MaxReplyBytes bounds a reply. Default: DefaultMaxReplyBytes.
	MaxReplyBytes int `yaml:"max_reply_bytes"`
	// PollInterval is the pause between polls if the agent states none. Default:
	// DefaultPollInterval.
	PollInterval time.Duration `yaml:"poll_interval"`
	// Health is what Check requests: a path, or a URL of the same server. Default:
	// Check only connects to the server.
	Health string `yaml:"health"`
	// Request and Response are for agents with another format than the contract's.
	Request  wire.RequestMapping `yaml:"request"`
	Response ResponseMapping     `yaml:"response"`
	// Thoughts says what happens to what a model thinks aloud at the beginning of a
	// text. Default: executors.DropThoughts where the response is mapped, and
	// executors.KeepThoughts by the contract, whose texts are what the agent says.
	Thoughts executors.Thoughts `yaml:"thoughts"`
	// HTTPClient sends the requests. Default: the package's own.
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

// validate reports all faults, each with its field and remedy.
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
	settings.OneOf(&f, "thoughts", c.Thoughts, executors.DropThoughts, executors.KeepThoughts)
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

// sameServer reports whether the secrets for one address may be sent to the other.
func sameServer(a, b *url.URL) bool {
	return modelcall.SameServer(a, b) && b.User == nil
}
