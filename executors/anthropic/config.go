package anthropic

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/settings"
)

// officialURL is the vendor's own API.
const officialURL = "https://api.anthropic.com"

// keyHeader is the header with the key.
const keyHeader = "X-Api-Key"

// vendor is what the common settings depend on.
var vendor = modelcall.Vendor{
	Example: officialURL, Paths: []string{"/v1/messages", "/v1"}, KeyHeader: keyHeader, MaxTemperature: 1,
}

// Defaults of a [Config], beside those of package executors.
const (
	DefaultProvider = "anthropic"
	// The API requires a limit. Every model accepts this one, and it is far above
	// the length of a turn.
	DefaultMaxOutputTokens = 4096
)

// Config selects the model, its server, and the limits of a call. APIKey is sent as
// x-api-key; compatible servers may need an Authorization header instead. BaseURL is
// the address before /v1/messages. Temperature is at most 1. The default of
// MaxOutputTokens is DefaultMaxOutputTokens.
type Config struct {
	executors.ModelConfig `yaml:",inline"`

	// PromptCache makes the provider cache the system prompt and the conversation,
	// so that the next turn pays a tenth for them. Default: true.
	PromptCache *bool `yaml:"prompt_cache"`
}

// official reports whether the requests go to the vendor's own API.
func (c *Config) official() bool {
	u, err := url.Parse(cmp.Or(c.BaseURL, officialURL))
	return err == nil && strings.EqualFold(u.Hostname(), "api.anthropic.com")
}

func (c *Config) setDefaults() {
	yes := true
	modelcall.SetDefaults(&c.ModelConfig, officialURL, DefaultProvider)
	c.PromptCache = cmp.Or(c.PromptCache, &yes)
	c.MaxOutputTokens = cmp.Or(c.MaxOutputTokens, DefaultMaxOutputTokens)
}

// Quota identifies what the provider's limits count together, for package limit.
func (c Config) Quota() limit.Key {
	c.setDefaults()
	return limit.NewKey(c.Provider, c.BaseURL, c.APIKey, c.Headers, keyHeader, "Authorization")
}

// validate reports all faults, each with its field and remedy.
func (c *Config) validate() error {
	var f settings.Faults
	vendor.Validate(&f, c.ModelConfig)
	f.Extra(c.Extra, "model", "messages", "system", "max_tokens", "stream", "tools")
	return f.Err()
}
