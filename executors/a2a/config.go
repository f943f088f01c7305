package a2a

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// Values of Config.Streaming.
const (
	StreamingAuto = "auto" // if the agent's card offers it
	StreamingOff  = "off"
)

// Defaults of a [Config].
const (
	DefaultProvider          = "a2a"
	DefaultOpening           = executors.DefaultOpening
	DefaultTimeout           = executors.DefaultTimeout
	DefaultFirstTokenTimeout = executors.DefaultFirstTokenTimeout
	DefaultGapTimeout        = executors.DefaultGapTimeout
	DefaultMaxReplyBytes     = executors.DefaultMaxReplyBytes
	DefaultPollInterval      = time.Second
)

// Config names the agent's address and how to call it.
type Config struct {
	// URL is the agent's base address, below which its card is at
	// /.well-known/agent-card.json, or the address of the card itself if it ends
	// in .json. Required.
	URL string `yaml:"url"`
	// Endpoint is the address that requests are posted to. Default: the card's.
	Endpoint string `yaml:"endpoint"`
	// CardHosts are the hosts, as "name" or "name:port", that the card may name
	// besides its own server; keys are sent there too. A card read over https may
	// never name an http address. Default: none. Endpoint needs no entry.
	CardHosts []string `yaml:"card_hosts"`
	// BearerToken is sent as the Authorization header.
	BearerToken secret.String `yaml:"bearer_token"`
	// Headers are sent with every request, for example an API key. Default: none.
	Headers map[string]secret.String `yaml:"headers"`
	// Provider and Model are the names in results. Defaults: DefaultProvider, the
	// name on the card.
	Provider string `yaml:"provider"`
	Model    string `yaml:"model"`
	// Opening is the user message sent if the agent has the first turn. Default:
	// DefaultOpening.
	Opening string `yaml:"opening"`
	// Protocol is the version of the protocol: ProtocolAuto, Protocol03 or
	// Protocol10. With Endpoint and a version the agent needs no card. Default:
	// ProtocolAuto.
	Protocol string `yaml:"protocol"`
	// Streaming is StreamingAuto or StreamingOff. Default: StreamingAuto.
	Streaming string `yaml:"streaming"`
	// Accept are the media types the agent may answer with. Default: any.
	Accept []string `yaml:"accept"`
	// Thoughts says what happens to thoughts between tags with which a text of the
	// agent begins. Default: executors.DropThoughts.
	Thoughts executors.Thoughts `yaml:"thoughts"`
	// Timeout bounds a whole call, polls included. Default: DefaultTimeout.
	Timeout time.Duration `yaml:"timeout"`
	// FirstTokenTimeout bounds the wait for the first piece of a streamed answer.
	// Default: DefaultFirstTokenTimeout.
	FirstTokenTimeout time.Duration `yaml:"first_token_timeout"`
	// GapTimeout bounds the wait for each further event, and for the answer to a
	// poll. Default: DefaultGapTimeout.
	GapTimeout time.Duration `yaml:"gap_timeout"`
	// MaxReplyBytes bounds a reply. Default: DefaultMaxReplyBytes.
	MaxReplyBytes int `yaml:"max_reply_bytes"`
	// PollInterval is the pause between polls of a task that is not streamed.
	// Default: DefaultPollInterval.
	PollInterval time.Duration `yaml:"poll_interval"`
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
	c.Opening = cmp.Or(c.Opening, DefaultOpening)
	c.Protocol = cmp.Or(c.Protocol, ProtocolAuto)
	c.Streaming = cmp.Or(c.Streaming, StreamingAuto)
	c.Thoughts = cmp.Or(c.Thoughts, executors.DropThoughts)
	c.MaxReplyBytes = cmp.Or(c.MaxReplyBytes, DefaultMaxReplyBytes)
	c.PollInterval = cmp.Or(c.PollInterval, DefaultPollInterval)
	return c
}

// validate reports all faults, each with its field and remedy.
func (c Config) validate() error {
	var f settings.Faults
	if c.URL == "" {
		f.Add("url", "write the agent's base address, such as http://localhost:9999", "is missing")
	} else {
		f.Server("url", c.URL, "http://localhost:9999")
	}
	if c.Endpoint != "" {
		f.Server("endpoint", c.Endpoint, "http://localhost:9999")
	}
	for i, host := range c.CardHosts {
		if u, err := url.Parse("http://" + host); err != nil || u.Host != host || u.Hostname() == "" {
			f.Add(fmt.Sprintf("card_hosts[%d]", i), "write a name, or a name and a port, such as agents.example.com:8080", "is %q, which is no host", host)
		}
	}
	f.Sender(c.BearerToken, c.Headers, "Accept", "Content-Type", "Content-Length", "Host")
	// Go's client resends a POST that has one of these.
	for _, own := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if written, ok := settings.Header(c.Headers, own); ok {
			f.Add("headers."+written, "leave it out, it would be the same for all requests", "cannot be set here")
		}
	}
	settings.OneOf(&f, "protocol", c.Protocol, ProtocolAuto, Protocol03, Protocol10)
	settings.OneOf(&f, "streaming", c.Streaming, StreamingAuto, StreamingOff)
	settings.OneOf(&f, "thoughts", c.Thoughts, executors.DropThoughts, executors.KeepThoughts)
	for i, mode := range c.Accept {
		if strings.TrimSpace(mode) == "" {
			f.Add(fmt.Sprintf("accept[%d]", i), "write a media type such as text/plain", "is empty")
		}
	}
	c.timers().Validate(&f)
	f.Count("max_reply_bytes", int64(c.MaxReplyBytes))
	f.Duration("poll_interval", c.PollInterval)
	return f.Err()
}
