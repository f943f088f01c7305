package onerun

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// The defaults of [Config] and [ClientConfig], and what suits a stock OneRun in
// a [platforms.Instance].
const (
	DefaultName            = "onerun"
	DefaultTimeout         = 30 * time.Second
	DefaultResponseTimeout = 2 * time.Minute

	// DefaultSettle is how long OneRun may continue a send whose answer was
	// lost: a large model's reply, stored when it is there.
	DefaultSettle = 2 * time.Minute
	// DefaultMaxOpen keeps clear of the number of simultaneous sends, about
	// fifteen, at which a stock OneRun runs out of database connections and stops
	// answering anybody.
	DefaultMaxOpen = 10
)

// An Opening says who speaks first.
type Opening string

// The openings.
const (
	OpeningPersona Opening = "persona"
	OpeningAgent   Opening = "agent"
)

// Config is what a [Platform] needs. The keys are those of parley.yaml.
type Config struct {
	// Name is the platform's name in the configuration, which its refs carry.
	// Default: [DefaultName].
	Name string `yaml:"-"`
	// BaseURL is the address of OneRun's API without /v1, such as
	// http://localhost:3001. Required.
	BaseURL string `yaml:"base_url"`
	// APIKey is the key that the server has as AUTH_API_KEY. Required.
	APIKey string `yaml:"api_key"`
	// Opening says who speaks first. Default: [OpeningPersona].
	Opening Opening `yaml:"opening"`
	// Timeout is for every request but sends. Default: [DefaultTimeout].
	Timeout time.Duration `yaml:"timeout"`
	// ResponseTimeout is for sends, during which the persona's model answers.
	// Default: [DefaultResponseTimeout].
	ResponseTimeout time.Duration `yaml:"response_timeout"`

	// HTTPClient, Header and UserAgent are as in [ClientConfig].
	HTTPClient *http.Client      `yaml:"-"`
	Header     map[string]string `yaml:"-"`
	UserAgent  string            `yaml:"-"`
}

// Validate reports every fault at once. Each names the key and says what would
// be right. [New] calls it.
func (cfg Config) Validate() error {
	var errs []error
	switch cfg.Opening {
	case "", OpeningPersona, OpeningAgent:
	default:
		errs = append(errs, settings.Fault("opening", fmt.Sprintf("use %q or %q", OpeningPersona, OpeningAgent), "is %q", cfg.Opening))
	}
	return errors.Join(append(errs, rest.CheckName(cfg.Name), cfg.client().validate())...)
}

func (cfg Config) client() ClientConfig {
	return ClientConfig{
		BaseURL: cfg.BaseURL, APIKey: cfg.APIKey,
		Timeout: cfg.Timeout, ResponseTimeout: cfg.ResponseTimeout,
		HTTPClient: cfg.HTTPClient, Header: cfg.Header, UserAgent: cfg.UserAgent,
	}
}

// ClientConfig is what a [Client] needs.
type ClientConfig struct {
	// BaseURL is the address of OneRun's API without /v1. Required.
	BaseURL string
	// APIKey goes out as x-api-key with every request. Required.
	APIKey string
	// HTTPClient makes the requests. Its redirect policy and its Timeout are not
	// used. Default: one with connections of its own.
	HTTPClient *http.Client
	// Timeout limits every request but [Client.Respond]. Default: [DefaultTimeout].
	Timeout time.Duration
	// ResponseTimeout limits [Client.Respond]. Default: [DefaultResponseTimeout].
	ResponseTimeout time.Duration
	// Header is sent along with every request, for gateways in front of OneRun.
	// OneRun itself ignores the key where there is an Authorization header.
	Header map[string]string
	// UserAgent defaults to "parley".
	UserAgent string
}

func (cfg ClientConfig) validate() error {
	_, err := parseBaseURL(cfg.BaseURL)
	errs := []error{err}
	switch key := strings.TrimSpace(cfg.APIKey); {
	case key == "":
		errs = append(errs, settings.Fault("api_key", "set it, or ONERUN_API_KEY, to the server's AUTH_API_KEY", "is empty"))
	case !rest.HeaderSafe(key):
		errs = append(errs, settings.Fault("api_key", "check where it is read from", "contains a line break or a character no header can carry"))
	}
	errs = append(errs, rest.CheckTimeout("timeout", cfg.Timeout, "30s"), rest.CheckTimeout("response_timeout", cfg.ResponseTimeout, "2m"))
	for _, name := range slices.Sorted(maps.Keys(cfg.Header)) {
		if name == "" || !rest.HeaderSafe(name) || strings.ContainsAny(name, " :\t") || !rest.HeaderSafe(cfg.Header[name]) {
			errs = append(errs, settings.Fault("", "check its name and value", "header %q is not a valid HTTP header", name))
		}
	}
	return errors.Join(errs...)
}

// parseBaseURL returns the base URL without slashes at its end.
func parseBaseURL(raw string) (*url.URL, error) {
	u, err := words().ParseURL(raw)
	if err != nil {
		return nil, err
	}
	if segments := strings.Split(u.Path, "/"); slices.Contains(segments, "v1") {
		u.Path, _, _ = strings.Cut(u.Path+"/", "/v1/")
		return nil, settings.Fault("base_url", "write "+u.String(), "contains /v1, which is added by itself")
	}
	return u, nil
}
