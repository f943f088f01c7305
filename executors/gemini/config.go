package gemini

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/settings"
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

// vendor is what the common settings depend on.
var vendor = modelcall.Vendor{
	Example: officialURL, Paths: []string{"/v1", "/v1beta", "/v1beta1", "/models"}, KeyHeader: keyHeader, MaxTemperature: 2,
}

// Defaults of a [Config], beside those of package executors.
const (
	DefaultProvider       = "gcp.gemini"
	DefaultVertexProvider = "gcp.vertex_ai"
)

// Config selects the model, its server, and the limits of a call. APIKey is sent as
// x-goog-api-key; Google's own servers need one, or an Authorization header instead.
// BaseURL is the address before /v1beta/models (VertexAPI: /v1beta1/projects or
// /v1beta1/publishers). The default of Provider is DefaultVertexProvider for
// VertexAPI. Temperature is at most 2.
type Config struct {
	executors.ModelConfig `yaml:",inline"`

	// API is the variant of the API to call. Default: GeminiAPI.
	API API `yaml:"api"`
	// Project and Location are those of Google Cloud, for VertexAPI. Without them
	// the key must be one for express mode.
	Project  string `yaml:"project"`
	Location string `yaml:"location"`
}

// official reports whether the requests go to Google's own servers.
func (c *Config) official() bool {
	u, err := url.Parse(cmp.Or(c.BaseURL, officialURL))
	return err == nil && strings.HasSuffix(strings.ToLower(u.Hostname()), ".googleapis.com")
}

func (c *Config) setDefaults() {
	c.API = cmp.Or(c.API, GeminiAPI)
	baseURL, provider := officialURL, DefaultProvider
	if c.API == VertexAPI {
		baseURL, provider = vertexURL(c.Location), DefaultVertexProvider
	}
	modelcall.SetDefaults(&c.ModelConfig, baseURL, provider)
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

// cloudName matches projects and locations, which become parts of an address.
var cloudName = regexp.MustCompile(`^[a-z0-9.:-]*$`)

// validate reports all faults, each with its field and remedy.
func (c *Config) validate() error {
	var f settings.Faults
	vendor.Validate(&f, c.ModelConfig)
	if strings.ContainsAny(c.Model, "?&#%\\ ") || strings.Contains(c.Model, "..") {
		f.Add("model", "write the name alone", "is %q, which cannot be part of an address", c.Model)
	}
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
	f.Extra(c.Extra, "model", "contents", "systemInstruction", "tools")
	return f.Err()
}
