package openai

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// officialURL is the vendor's own API.
const officialURL = "https://api.openai.com/v1"

// Values of Config.API.
const (
	APIChat      = "chat"
	APIResponses = "responses"
)

// Defaults of a [Config].
const (
	DefaultProvider          = "openai"
	DefaultTimeout           = modelcall.DefaultTimeout
	DefaultFirstTokenTimeout = modelcall.DefaultFirstTokenTimeout
	DefaultGapTimeout        = modelcall.DefaultGapTimeout
	DefaultMaxReplyBytes     = modelcall.DefaultMaxReplyBytes
	DefaultOpening           = modelcall.DefaultOpening
)

// Config selects the model, its server, and the limits of a call.
type Config struct {
	// Model is the model's name. Required.
	Model string `yaml:"model"`
	// APIKey is sent as the bearer token. The vendor's own API needs one;
	// compatible servers may not.
	APIKey secret.String `yaml:"api_key"`
	// API is the API to call, APIChat or APIResponses. Default: APIResponses
	// without a BaseURL, APIChat with one, because compatible servers support that.
	API string `yaml:"api"`
	// Store makes the provider keep the responses, so that a request carries only
	// new messages (Responses API). Default: true for the vendor's own API and for
	// Background, false elsewhere: a server that keeps nothing may not report it.
	Store *bool `yaml:"store"`
	// Background makes the provider continue a response after a disconnect, so that
	// a later attempt attaches to it (Responses API). Default: false.
	Background bool `yaml:"background"`
	// BaseURL is the address before /chat/completions and /responses. Default: the
	// vendor's own API.
	BaseURL string `yaml:"base_url"`
	// Organization and Project are the vendor's ids. Default: those of the key.
	Organization string `yaml:"organization"`
	Project      string `yaml:"project"`
	// Provider is the provider's name in results. Default: DefaultProvider.
	Provider string `yaml:"provider"`
	// Instructions are the agent's system prompt. Default: none.
	Instructions string `yaml:"instructions"`
	// Opening is the user message sent if the agent has the first turn: many models
	// need a message to answer. Default: DefaultOpening.
	Opening string `yaml:"opening"`
	// Temperature is the sampling temperature, 0 to 2. Default: the model's own.
	Temperature *float64 `yaml:"temperature"`
	// MaxOutputTokens bounds a reply, including reasoning. Default: the model's own
	// limit.
	MaxOutputTokens int `yaml:"max_output_tokens"`
	// MaxHistoryMessages bounds the messages sent: the first one and the newest. If
	// it leaves some out, the provider's stored conversation is not used. Default:
	// all.
	MaxHistoryMessages int `yaml:"max_history_messages"`
	// MaxReplyBytes bounds a reply's text and tool calls. Default: DefaultMaxReplyBytes.
	MaxReplyBytes int `yaml:"max_reply_bytes"`
	// Stream requests a streamed reply, which makes a stall noticeable. Default:
	// true.
	Stream *bool `yaml:"stream"`
	// Timeout bounds a whole call. Default: DefaultTimeout.
	Timeout time.Duration `yaml:"timeout"`
	// FirstTokenTimeout bounds the wait for the first piece of a streamed reply.
	// Models that reason without output need more. Default:
	// DefaultFirstTokenTimeout.
	FirstTokenTimeout time.Duration `yaml:"first_token_timeout"`
	// GapTimeout bounds the wait for each further piece. Default: DefaultGapTimeout.
	GapTimeout time.Duration `yaml:"gap_timeout"`
	// Headers are sent with every request.
	Headers map[string]secret.String `yaml:"headers"`
	// Extra are fields of the request's body without a setting here, such as
	// reasoning_effort or top_p. Null removes a field that would be sent. Default:
	// none.
	Extra map[string]any `yaml:"extra"`
	// HTTPClient sends the requests. Default: the package's own.
	HTTPClient *http.Client `yaml:"-"`
}

// official reports whether the requests go to the vendor's own API.
func (c *Config) official() bool {
	u, err := url.Parse(cmp.Or(c.BaseURL, officialURL))
	return err == nil && strings.EqualFold(u.Hostname(), "api.openai.com")
}

func (c *Config) setDefaults() {
	c.API = c.api()
	if c.Store == nil {
		store := c.official() || c.Background
		c.Store = &store
	}
	c.BaseURL = strings.TrimSuffix(cmp.Or(c.BaseURL, officialURL), "/") + "/"
	c.Provider = cmp.Or(c.Provider, DefaultProvider)
	c.Opening = cmp.Or(c.Opening, DefaultOpening)
	c.MaxReplyBytes = cmp.Or(c.MaxReplyBytes, DefaultMaxReplyBytes)
	t := c.timers().WithDefaults()
	c.Timeout, c.FirstTokenTimeout, c.GapTimeout = t.Total, t.FirstToken, t.Gap
	if c.Stream == nil {
		stream := true
		c.Stream = &stream
	}
	c.HTTPClient = modelcall.Client(c.HTTPClient)
}

func (c *Config) api() string {
	if c.BaseURL == "" {
		return cmp.Or(c.API, APIResponses)
	}
	return cmp.Or(c.API, APIChat)
}

// Quota identifies what the provider's limits count together, for package limit.
func (c Config) Quota() limit.Key {
	c.setDefaults()
	return limit.NewKey(c.Provider, c.BaseURL, c.APIKey, c.Headers, "Authorization")
}

func (c *Config) timers() modelcall.Timers {
	return modelcall.Timers{Total: c.Timeout, FirstToken: c.FirstTokenTimeout, Gap: c.GapTimeout}
}

// validate reports all faults, each with its field and remedy.
func (c *Config) validate() error {
	var f settings.Faults
	f.Required("model", c.Model, "name the model to ask")
	f.Key(c.APIKey)
	f.BaseURL(c.BaseURL, "http://localhost:11434/v1", "/chat/completions", "/responses")
	f.Printable("organization", c.Organization)
	f.Printable("project", c.Project)
	f.Range("temperature", c.Temperature, 2)
	f.Count("max_output_tokens", int64(c.MaxOutputTokens))
	f.Count("max_history_messages", int64(c.MaxHistoryMessages))
	f.Count("max_reply_bytes", int64(c.MaxReplyBytes))
	c.timers().Validate(&f)
	f.Headers(c.Headers, c.APIKey, "Authorization")
	switch own := []string{"model", "stream", "tools"}; c.api() {
	case APIChat:
		f.Extra(c.Extra, append(own, "messages", "n")...)
		if c.Store != nil {
			f.Add("store", "leave it out, or set api to responses", "is for the Responses API")
		}
		if c.Background {
			f.Add("background", "leave it out, or set api to responses", "is for the Responses API")
		}
	case APIResponses:
		f.Extra(c.Extra, append(own, "input", "instructions", "previous_response_id", "conversation", "store", "background")...)
		if c.Background && c.Store != nil && !*c.Store {
			f.Add("store", "leave it out: the provider has to keep a response that no request waits for", "is false, and background needs it")
		}
	default:
		f.Add("api", "write chat or responses", "is %q", c.API)
	}
	return f.Err()
}
