package openai

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
const officialURL = "https://api.openai.com/v1"

// vendor is what the common settings depend on.
var vendor = modelcall.Vendor{
	Example: "http://localhost:11434/v1", Paths: []string{"/chat/completions", "/responses"},
	KeyHeader: "Authorization", MaxTemperature: 2,
}

// Values of Config.API.
const (
	APIChat      = "chat"
	APIResponses = "responses"
)

// DefaultProvider is the default of Config.Provider.
const DefaultProvider = "openai"

// Config selects the model, its server, and the limits of a call. APIKey is sent as
// the bearer token. BaseURL is the address before /chat/completions and /responses.
// Temperature is at most 2. If MaxHistoryMessages leaves messages out, the provider's
// stored conversation is not used.
type Config struct {
	executors.ModelConfig `yaml:",inline"`

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
	// Organization and Project are the vendor's ids. Default: those of the key.
	Organization string `yaml:"organization"`
	Project      string `yaml:"project"`
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
	modelcall.SetDefaults(&c.ModelConfig, officialURL, DefaultProvider)
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

// validate reports all faults, each with its field and remedy.
func (c *Config) validate() error {
	var f settings.Faults
	vendor.Validate(&f, c.ModelConfig)
	f.Printable("organization", c.Organization)
	f.Printable("project", c.Project)
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
