package pulse

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/platforms/internal/rest"
	"github.com/parley-run/parley/secret"
)

// The defaults of [Config] and [ClientConfig], and the limit of ResultSummary.
const (
	DefaultName    = "pulse"
	DefaultTimeout = 30 * time.Second

	MaxResultSummary = 4 << 10
)

// The types of task that Pulse's own workers run.
const (
	TypeRunAgent     = "run_agent"
	TypeExecuteAgent = "execute_agent"
	typeHTTPRequest  = "http_request"
)

// DefaultTypes are the types that Pulse's built-in worker runs.
func DefaultTypes() []string { return []string{TypeRunAgent, TypeExecuteAgent} }

// Config is what a [Platform] needs. The keys are those of parley.yaml.
type Config struct {
	// Name is the platform's name in the configuration, which its refs carry.
	// Default: [DefaultName].
	Name string `yaml:"-"`
	// URL is the address of Pulse, such as http://localhost:8000. Required.
	URL string `yaml:"url"`
	// Key is the server's API key. Empty: none is sent, for servers that check
	// none.
	Key secret.String `yaml:"api_key"`
	// Types are the types of task to run. Default: [DefaultTypes].
	Types []string `yaml:"types"`
	// Timeout bounds every request. Default: [DefaultTimeout].
	Timeout time.Duration `yaml:"timeout"`
	// ResultSummary is how many bytes a result may have to be written into the
	// task's metadata, as "parley_result", at most [MaxResultSummary]. Of a longer
	// one only the status is written. Pulse lets a worker put a result nowhere else.
	// Nil: MaxResultSummary. Zero: nothing is written.
	//
	// Pulse replaces metadata as a whole. What another client writes between our
	// reading and our writing is lost; so turn this off where others keep notes in the
	// metadata of running tasks.
	ResultSummary *int `yaml:"result_summary"`

	// HTTPClient and UserAgent are as in [ClientConfig].
	HTTPClient *http.Client `yaml:"-"`
	UserAgent  string       `yaml:"-"`
}

// Validate reports every fault at once. Each names the key and says what would be
// right. [New] calls it.
func (cfg Config) Validate() error {
	var errs []error
	errs = append(errs, rest.CheckName(cfg.Name))
	if cfg.Types != nil && len(cfg.Types) == 0 {
		errs = append(errs, settings.Fault("types", "name some, or leave it out for "+strings.Join(DefaultTypes(), " and "), "is empty"))
	}
	for i, name := range cfg.Types {
		field := fmt.Sprintf("types[%d]", i)
		switch {
		case strings.TrimSpace(name) != name || name == "" || strings.ContainsAny(name, ",\n"):
			errs = append(errs, settings.Fault(field, "write it without spaces around it and commas", "is %q, which is no type of task", rest.Clip(name)))
		case name == typeHTTPRequest:
			errs = append(errs, settings.Fault(field, "leave them to Pulse", "is %q, and such tasks run no agent", name))
		case slices.Contains(cfg.Types[:i], name):
			errs = append(errs, settings.Fault(field, "take one out", "is %q, which is there twice", name))
		}
	}
	if n := cfg.resultSummary(); n < 0 || n > MaxResultSummary {
		errs = append(errs, settings.Fault("result_summary", fmt.Sprintf("write a number of bytes up to %d, or 0 for none", MaxResultSummary), "is %d", n))
	}
	return errors.Join(append(errs, cfg.client().validate())...)
}

func (cfg Config) resultSummary() int {
	if cfg.ResultSummary == nil {
		return MaxResultSummary
	}
	return *cfg.ResultSummary
}

func (cfg Config) client() ClientConfig {
	return ClientConfig{
		URL: cfg.URL, Key: cfg.Key, Timeout: cfg.Timeout, HTTPClient: cfg.HTTPClient, UserAgent: cfg.UserAgent,
	}
}

// ClientConfig is what a [Client] needs.
type ClientConfig struct {
	// URL is the address of Pulse. Required.
	URL string
	// Key goes out as a bearer token with every request. Empty: none is sent.
	Key secret.String
	// HTTPClient makes the requests. Its redirect policy and its Timeout are not
	// used. Default: one with connections of its own.
	HTTPClient *http.Client
	// Timeout bounds every request. Default: [DefaultTimeout].
	Timeout time.Duration
	// UserAgent defaults to "parley".
	UserAgent string
}

func (cfg ClientConfig) validate() error {
	_, err := parseURL(cfg.URL)
	errs := []error{err}
	if !headerSafe(cfg.key()) {
		errs = append(errs, settings.Fault("api_key", "check where it is read from", "contains a space, a line break or a character no header can carry"))
	}
	return errors.Join(append(errs, rest.CheckTimeout("timeout", cfg.Timeout, "30s"))...)
}

// key is the key without the line break at a file's end.
func (cfg ClientConfig) key() string { return strings.TrimSpace(cfg.Key.Reveal()) }

// parseURL returns the URL without slashes at its end.
func parseURL(raw string) (*url.URL, error) {
	u, err := words().ParseURL(raw)
	if err != nil {
		return nil, err
	}
	for _, route := range []string{"/tasks", "/dashboard", "/docs"} {
		if base, found := strings.CutSuffix(u.Path, route); found {
			u.Path = base
			return nil, settings.Fault("url", "write "+u.String(), "ends in %s, which is a route of Pulse", route)
		}
	}
	return u, nil
}

// headerSafe reports whether a header can carry s as one word.
func headerSafe(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
