package executors

import (
	"net/http"
	"time"

	"github.com/parley-run/parley/secret"
)

// Defaults that executors for models and agents share.
const (
	DefaultTimeout           = 4 * time.Minute
	DefaultFirstTokenTimeout = 90 * time.Second
	DefaultGapTimeout        = 30 * time.Second
	DefaultMaxReplyBytes     = 1 << 20
	DefaultOpening           = "Begin the conversation: greet the other person and offer your help."
)

// A ModelConfig holds the settings that the executors for the APIs of model vendors
// have in common. Each of their Configs embeds it, and says what differs.
type ModelConfig struct {
	// Model is the model's name. Required.
	Model string `yaml:"model"`
	// APIKey is sent in the vendor's header for keys. The vendor's own API needs one,
	// or another credential in Headers; compatible servers may not.
	APIKey secret.String `yaml:"api_key"`
	// BaseURL is the address before the paths of the API. Default: the vendor's own
	// API.
	BaseURL string `yaml:"base_url"`
	// Provider is the provider's name in results. Default: the package's
	// DefaultProvider.
	Provider string `yaml:"provider"`
	// Instructions are the agent's system prompt. Default: none.
	Instructions string `yaml:"instructions"`
	// Opening is the user message sent if the agent has the first turn: many models
	// need a message to answer. Default: DefaultOpening.
	Opening string `yaml:"opening"`
	// Temperature is the sampling temperature, from 0. Default: the model's own.
	Temperature *float64 `yaml:"temperature"`
	// MaxOutputTokens bounds a reply, including reasoning. Default: the model's own
	// limit, if the API requires none.
	MaxOutputTokens int `yaml:"max_output_tokens"`
	// MaxHistoryMessages bounds the messages sent: the first one and the newest, cut so
	// that the roles alternate.
	// Default: all.
	MaxHistoryMessages int `yaml:"max_history_messages"`
	// MaxReplyBytes bounds a reply's text and tool calls. Default:
	// DefaultMaxReplyBytes.
	MaxReplyBytes int `yaml:"max_reply_bytes"`
	// Thoughts says what happens to what a model thinks aloud before it answers, between
	// <think> tags or as parts of another type. Default: DropThoughts.
	Thoughts Thoughts `yaml:"thoughts"`
	// Stream requests a streamed reply, which makes a stall noticeable. Default:
	// true.
	Stream *bool `yaml:"stream"`
	// Timeout bounds a whole call. Default: DefaultTimeout.
	Timeout time.Duration `yaml:"timeout"`
	// FirstTokenTimeout bounds the wait for the first piece of a streamed reply.
	// Models that reason without output need more. Default:
	// DefaultFirstTokenTimeout, and at most Timeout.
	FirstTokenTimeout time.Duration `yaml:"first_token_timeout"`
	// GapTimeout bounds the wait for each further piece. Default: DefaultGapTimeout,
	// and at most Timeout.
	GapTimeout time.Duration `yaml:"gap_timeout"`
	// Headers are sent with every request.
	Headers map[string]secret.String `yaml:"headers"`
	// Extra are fields of the request's body without a setting here, such as top_p.
	// Null removes a field that would be sent. Default: none.
	Extra map[string]any `yaml:"extra"`
	// HTTPClient sends the requests. It is copied, and follows no redirects.
	// Default: one with Go's default transport.
	HTTPClient *http.Client `yaml:"-"`
}

// Thoughts says what happens to the thoughts in a model's answer.
type Thoughts string

// The values of Thoughts.
const (
	DropThoughts Thoughts = "drop" // only what is meant for the persona is sent
	KeepThoughts Thoughts = "keep" // they are sent as they came
)
