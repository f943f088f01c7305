package anthropic

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
const officialURL = "https://api.anthropic.com"

// keyHeader is the header with the key.
const keyHeader = "X-Api-Key"

// Defaults of a [Config].
const (
	DefaultProvider = "anthropic"
	// The API requires a limit. Every model accepts this one, and it is far above
	// the length of a turn.
	DefaultMaxOutputTokens   = 4096
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
	// APIKey is sent as x-api-key. The vendor's own API needs one; compatible
	// servers may not, or may need an Authorization header instead.
	APIKey secret.String `yaml:"api_key"`
	// BaseURL is the address before /v1/messages. Default: the vendor's own API.
	BaseURL string `yaml:"base_url"`
	// Provider is the provider's name in results. Default: DefaultProvider.
	Provider string `yaml:"provider"`
	// Instructions are the agent's system prompt. Default: none.
	Instructions string `yaml:"instructions"`
	// Opening is the user message sent if the agent has the first turn: the API
	// needs a message to answer. Default: DefaultOpening.
	Opening string `yaml:"opening"`
	// PromptCache makes the provider cache the system prompt and the conversation,
	// so that the next turn pays a tenth for them. Default: true.
	PromptCache *bool `yaml:"prompt_cache"`
	// Temperature is the sampling temperature, 0 to 1. Default: the model's own.
	Temperature *float64 `yaml:"temperature"`
	// MaxOutputTokens bounds a reply, including reasoning. Default:
	// DefaultMaxOutputTokens.
	MaxOutputTokens int `yaml:"max_output_tokens"`
	// MaxHistoryMessages bounds the messages sent: the first one and the newest.
	// Default: all.
	MaxHistoryMessages int `yaml:"max_history_messages"`
	// MaxReplyBytes bounds a reply's text. Default: DefaultMaxReplyBytes.
	MaxReplyBytes int `yaml:"max_reply_bytes"`
	// Stream requests a streamed reply, which makes a stall noticeable. Default:
	// true.
	Stream *bool `yaml:"stream"`
	// Timeout bounds a whole call. Default: DefaultTimeout.
	Timeout time.Duration `yaml:"timeout"`
	// FirstTokenTimeout bounds the wait for the first piece of a streamed reply.
	// Default: DefaultFirstTokenTimeout.
	FirstTokenTimeout time.Duration `yaml:"first_token_timeout"`
	// GapTimeout bounds the wait for each further piece. Default: DefaultGapTimeout.
	GapTimeout time.Duration `yaml:"gap_timeout"`
	// Headers are sent with every request, such as anthropic-beta.
	Headers map[string]secret.String `yaml:"headers"`
	// Extra are fields of the request's body without a setting here, such as
	// thinking or top_p. Null removes a field that would be sent. Default: none.
	Extra map[string]any `yaml:"extra"`
	// HTTPClient sends the requests. It is copied, and follows no redirects.
	// Default: one with Go's default transport.
	HTTPClient *http.Client `yaml:"-"`
}

// official reports whether the requests go to the vendor's own API.
func (c *Config) official() bool {
	u, err := url.Parse(cmp.Or(c.BaseURL, officialURL))
	return err == nil && strings.EqualFold(u.Hostname(), "api.anthropic.com")
}

func (c *Config) setDefaults() {
	yes := true
	c.BaseURL = strings.TrimSuffix(cmp.Or(c.BaseURL, officialURL), "/") + "/"
	c.Provider = cmp.Or(c.Provider, DefaultProvider)
	c.Opening = cmp.Or(c.Opening, DefaultOpening)
	c.PromptCache = cmp.Or(c.PromptCache, &yes)
	c.MaxOutputTokens = cmp.Or(c.MaxOutputTokens, DefaultMaxOutputTokens)
	c.MaxReplyBytes = cmp.Or(c.MaxReplyBytes, DefaultMaxReplyBytes)
	c.Stream = cmp.Or(c.Stream, &yes)
	t := c.timers().WithDefaults()
	c.Timeout, c.FirstTokenTimeout, c.GapTimeout = t.Total, t.FirstToken, t.Gap
	c.HTTPClient = modelcall.Client(c.HTTPClient)
}

// Quota identifies what the provider's limits count together, for package limit.
func (c Config) Quota() limit.Key {
	c.setDefaults()
	return limit.NewKey(c.Provider, c.BaseURL, c.APIKey, c.Headers, keyHeader, "Authorization")
}

func (c *Config) timers() modelcall.Timers {
	return modelcall.Timers{Total: c.Timeout, FirstToken: c.FirstTokenTimeout, Gap: c.GapTimeout}
}

// validate reports all faults, each with its field and remedy.
func (c *Config) validate() error {
	var f settings.Faults
	f.Required("model", c.Model, "name the model to ask")
	f.Key(c.APIKey)
	f.BaseURL(c.BaseURL, officialURL, "/v1/messages", "/v1")
	f.Range("temperature", c.Temperature, 1)
	f.Count("max_output_tokens", int64(c.MaxOutputTokens))
	f.Count("max_history_messages", int64(c.MaxHistoryMessages))
	f.Count("max_reply_bytes", int64(c.MaxReplyBytes))
	c.timers().Validate(&f)
	f.Headers(c.Headers, c.APIKey, keyHeader)
	f.Extra(c.Extra, "model", "messages", "system", "max_tokens", "stream", "tools")
	return f.Err()
}
