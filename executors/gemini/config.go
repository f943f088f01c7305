package gemini

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// An API is one of the two APIs for the models.
type API string

// Values of API.
const (
	GeminiAPI API = "gemini" // Google AI Studio's, with a key
	VertexAPI API = "vertex" // Google Cloud's, with a key or a bearer token
)

// officialURL is the Gemini API.
const officialURL = "https://generativelanguage.googleapis.com"

// keyHeader is the header with the key.
const keyHeader = "X-Goog-Api-Key"

// Defaults of a [Config].
const (
	DefaultProvider          = "gcp.gemini"
	DefaultVertexProvider    = "gcp.vertex_ai"
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
	// APIKey is sent as x-goog-api-key. Google's own servers need one, or an
	// Authorization header instead; others may not.
	APIKey secret.String `yaml:"api_key"`
	// API is the variant of the API to call. Default: GeminiAPI.
	API API `yaml:"api"`
	// Project and Location are those of Google Cloud, for VertexAPI. Without them
	// the key must be one for express mode.
	Project  string `yaml:"project"`
	Location string `yaml:"location"`
	// BaseURL is the address before /v1beta/models (VertexAPI: /v1beta1/projects or
	// /v1beta1/publishers). Default: Google's own server.
	BaseURL string `yaml:"base_url"`
	// Provider is the provider's name in results. Default: DefaultProvider, and
	// DefaultVertexProvider for VertexAPI.
	Provider string `yaml:"provider"`
	// Instructions are the agent's system prompt. Default: none.
	Instructions string `yaml:"instructions"`
	// Opening is the user message sent if the agent has the first turn: the API
	// needs a message to answer. Default: DefaultOpening.
	Opening string `yaml:"opening"`
	// Temperature is the sampling temperature, 0 to 2. Default: the model's own.
	Temperature *float64 `yaml:"temperature"`
	// MaxOutputTokens bounds a reply, including reasoning. Default: the model's own
	// limit.
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
	// Models that reason without output need more. Default:
	// DefaultFirstTokenTimeout.
	FirstTokenTimeout time.Duration `yaml:"first_token_timeout"`
	// GapTimeout bounds the wait for each further piece. Default: DefaultGapTimeout.
	GapTimeout time.Duration `yaml:"gap_timeout"`
	// Headers are sent with every request.
	Headers map[string]secret.String `yaml:"headers"`
	// Extra are fields of the request's body without a setting here, such as
	// safetySettings or generationConfig: {topP: 0.9}. Null removes a field that
	// would be sent. Default: none.
	Extra map[string]any `yaml:"extra"`
	// HTTPClient sends the requests. It is copied, and follows no redirects.
	// Default: one with Go's default transport.
	HTTPClient *http.Client `yaml:"-"`
}

// official reports whether the requests go to Google's own servers.
func (c *Config) official() bool {
	u, err := url.Parse(cmp.Or(c.BaseURL, officialURL))
	return err == nil && strings.HasSuffix(strings.ToLower(u.Hostname()), ".googleapis.com")
}

func (c *Config) setDefaults() {
	yes := true
	c.API = cmp.Or(c.API, GeminiAPI)
	if c.API == VertexAPI {
		c.Provider = cmp.Or(c.Provider, DefaultVertexProvider)
		c.BaseURL = cmp.Or(c.BaseURL, vertexURL(c.Location))
	}
	c.BaseURL = strings.TrimSuffix(cmp.Or(c.BaseURL, officialURL), "/") + "/"
	c.Provider = cmp.Or(c.Provider, DefaultProvider)
	c.Opening = cmp.Or(c.Opening, DefaultOpening)
	c.MaxReplyBytes = cmp.Or(c.MaxReplyBytes, DefaultMaxReplyBytes)
	c.Stream = cmp.Or(c.Stream, &yes)
	t := c.timers().WithDefaults()
	c.Timeout, c.FirstTokenTimeout, c.GapTimeout = t.Total, t.FirstToken, t.Gap
	c.HTTPClient = modelcall.Client(c.HTTPClient)
}

// vertexURL returns Google Cloud's server for a location. Without a location it is
// the one of express mode.
func vertexURL(location string) string {
	switch location {
	case "", "global":
		return "https://aiplatform.googleapis.com"
	case "us", "eu":
		return fmt.Sprintf("https://aiplatform.%s.rep.googleapis.com", location)
	}
	return fmt.Sprintf("https://%s-aiplatform.googleapis.com", location)
}

// Quota identifies what the provider's limits count together, for package limit.
func (c Config) Quota() limit.Key {
	c.setDefaults()
	endpoint := c.BaseURL
	if c.Project != "" { // express mode has no project to count by
		endpoint += "projects/" + c.Project + "/locations/" + c.Location
	}
	return limit.NewKey(c.Provider, endpoint, c.APIKey, c.Headers, keyHeader, "Authorization")
}

func (c *Config) timers() modelcall.Timers {
	return modelcall.Timers{Total: c.Timeout, FirstToken: c.FirstTokenTimeout, Gap: c.GapTimeout}
}

// cloudName matches projects and locations, which become parts of an address.
var cloudName = regexp.MustCompile(`^[a-z0-9.:-]*$`)

// validate reports all faults, each with its field and remedy.
func (c *Config) validate() error {
	var f settings.Faults
	f.Required("model", c.Model, "name the model to ask")
	if strings.ContainsAny(c.Model, "?&#%\\ ") || strings.Contains(c.Model, "..") {
		f.Add("model", "write the name alone", "is %q, which cannot be part of an address", c.Model)
	}
	f.Key(c.APIKey)
	switch c.API {
	case "", GeminiAPI:
		for field, value := range map[string]string{"project": c.Project, "location": c.Location} {
			if value != "" {
				f.Add(field, "set that, or leave it out", "is for api: vertex")
			}
		}
	case VertexAPI:
		if c.Project == "" && c.Location != "" {
			f.Add("project", "project and location belong together: give both or none", "is empty")
		}
		if c.Location == "" && c.Project != "" {
			f.Add("location", "project and location belong together: give both or none", "is empty")
		}
		for field, value := range map[string]string{"project": c.Project, "location": c.Location} {
			if !cloudName.MatchString(value) {
				f.Add(field, "write lower-case letters, digits and . : -", "contains a character that none has")
			}
		}
	default:
		f.Add("api", "write gemini or vertex", "is %q", c.API)
	}
	f.BaseURL(c.BaseURL, officialURL, "/v1", "/v1beta", "/v1beta1", "/models")
	f.Range("temperature", c.Temperature, 2)
	f.Count("max_output_tokens", int64(c.MaxOutputTokens))
	f.Count("max_history_messages", int64(c.MaxHistoryMessages))
	f.Count("max_reply_bytes", int64(c.MaxReplyBytes))
	c.timers().Validate(&f)
	f.Headers(c.Headers, c.APIKey, keyHeader)
	f.Extra(c.Extra, "model", "contents", "systemInstruction", "tools")
	return f.Err()
}
