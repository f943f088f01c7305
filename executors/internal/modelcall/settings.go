package modelcall

import (
	"cmp"
	"strings"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/settings"
)

// A Vendor is what the common settings of a model depend on.
type Vendor struct {
	// Example is an address for base_url, and Paths are what the executor appends to
	// it.
	Example string
	Paths   []string
	// KeyHeader is the header that carries api_key.
	KeyHeader string
	// MaxTemperature is the highest sampling temperature.
	MaxTemperature float64
}

// Validate checks the common settings except extra, whose reserved fields may depend
// on other settings.
func (v Vendor) Validate(f *settings.Faults, c executors.ModelConfig) {
	f.Required("model", c.Model, "name the model to ask")
	f.Key(c.APIKey)
	f.BaseURL(c.BaseURL, v.Example, v.Paths...)
	f.Range("temperature", c.Temperature, v.MaxTemperature)
	f.Count("max_output_tokens", int64(c.MaxOutputTokens))
	f.Count("max_history_messages", int64(c.MaxHistoryMessages))
	f.Count("max_reply_bytes", int64(c.MaxReplyBytes))
	settings.OneOf(f, "thoughts", c.Thoughts, executors.DropThoughts, executors.KeepThoughts)
	TimersOf(c).Validate(f)
	f.Headers(c.Headers, c.APIKey, v.KeyHeader)
}

// SetDefaults fills the common settings. BaseURL then ends with a slash.
func SetDefaults(c *executors.ModelConfig, baseURL, provider string) {
	yes := true
	c.BaseURL = strings.TrimSuffix(cmp.Or(c.BaseURL, baseURL), "/") + "/"
	c.Provider = cmp.Or(c.Provider, provider)
	c.Thoughts = cmp.Or(c.Thoughts, executors.DropThoughts)
	c.Opening = cmp.Or(c.Opening, executors.DefaultOpening)
	c.MaxReplyBytes = cmp.Or(c.MaxReplyBytes, executors.DefaultMaxReplyBytes)
	c.Stream = cmp.Or(c.Stream, &yes)
	t := TimersOf(*c).WithDefaults()
	c.Timeout, c.FirstTokenTimeout, c.GapTimeout = t.Total, t.FirstToken, t.Gap
	c.HTTPClient = Client(c.HTTPClient)
}

// TimersOf are the timers of a model's call.
func TimersOf(c executors.ModelConfig) Timers {
	return Timers{Total: c.Timeout, FirstToken: c.FirstTokenTimeout, Gap: c.GapTimeout}
}

// HasKey reports whether the settings have a credential: a key, or one of the headers.
func HasKey(c executors.ModelConfig, headers ...string) bool {
	for _, name := range headers {
		if settings.HasHeader(c.Headers, name) {
			return true
		}
	}
	return c.APIKey != ""
}
