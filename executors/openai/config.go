package openai

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/parley-run/parley/internal/secret"
)

// officialURL is the vendor's own API.
const officialURL = "https://api.openai.com/v1"

// The defaults of a [Config].
const (
	DefaultProvider          = "openai"
	DefaultTimeout           = 4 * time.Minute
	DefaultFirstTokenTimeout = 90 * time.Second
	DefaultGapTimeout        = 30 * time.Second
	DefaultMaxReplyBytes     = 1 << 20
	DefaultOpening           = "Begin the conversation: greet the other person and offer your help."
)

// Config says which model answers, where, and within which limits.
type Config struct {
	// Model is the model's name. Required.
	Model string `yaml:"model"`
	// APIKey is sent as the bearer token. The vendor's own API needs one;
	// compatible servers may not.
	APIKey secret.String `yaml:"api_key"`
	// BaseURL is where /chat/completions is. Default: the vendor's own API.
	BaseURL string `yaml:"base_url"`
	// Organization and Project are the vendor's ids. Default: the key's own.
	Organization string `yaml:"organization"`
	Project      string `yaml:"project"`
	// Provider is the name that results carry. Default: DefaultProvider.
	Provider string `yaml:"provider"`
	// Instructions are the agent's system prompt. Default: none.
	Instructions string `yaml:"instructions"`
	// Opening is what the model is told, as if by the other side, where it has to
	// speak first: many models need something to answer. Default: DefaultOpening.
	Opening string `yaml:"opening"`
	// Temperature is the sampling temperature, 0 to 2. Default: the model's own.
	Temperature *float64 `yaml:"temperature"`
	// MaxOutputTokens bounds a reply, reasoning included. Default: the model's own.
	MaxOutputTokens int `yaml:"max_output_tokens"`
	// MaxHistoryMessages bounds the messages sent: the first one and the newest.
	// Default: all.
	MaxHistoryMessages int `yaml:"max_history_messages"`
	// MaxReplyBytes bounds a reply's text. Default: DefaultMaxReplyBytes.
	MaxReplyBytes int `yaml:"max_reply_bytes"`
	// Stream has the reply come piece by piece, so that a stall is noticed.
	// Default: true.
	Stream *bool `yaml:"stream"`
	// Timeout bounds a whole call. Default: DefaultTimeout.
	Timeout time.Duration `yaml:"timeout"`
	// FirstTokenTimeout bounds the wait for the first piece of a streamed reply.
	// Models that reason in silence need more. Default: DefaultFirstTokenTimeout.
	FirstTokenTimeout time.Duration `yaml:"first_token_timeout"`
	// GapTimeout bounds the wait for each further piece. Default: DefaultGapTimeout.
	GapTimeout time.Duration `yaml:"gap_timeout"`
	// Headers are sent with every request.
	Headers map[string]secret.String `yaml:"headers"`
	// Extra are fields of the request's body that have no key here, such as
	// reasoning_effort or top_p. Null takes a field out that would be sent.
	Extra map[string]any `yaml:"extra"`
	// HTTPClient sends the requests. Default: one with Go's default transport.
	HTTPClient *http.Client `yaml:"-"`
}

// official reports whether the requests go to the vendor's own API.
func (c *Config) official() bool {
	u, err := url.Parse(cmp.Or(c.BaseURL, officialURL))
	return err == nil && strings.EqualFold(u.Hostname(), "api.openai.com")
}

func (c *Config) setDefaults() {
	c.BaseURL = strings.TrimSuffix(cmp.Or(c.BaseURL, officialURL), "/") + "/"
	c.Provider = cmp.Or(c.Provider, DefaultProvider)
	c.Opening = cmp.Or(c.Opening, DefaultOpening)
	c.MaxReplyBytes = cmp.Or(c.MaxReplyBytes, DefaultMaxReplyBytes)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	// A total below the defaults of the inner timers is meant to win.
	c.FirstTokenTimeout = cmp.Or(c.FirstTokenTimeout, min(DefaultFirstTokenTimeout, c.Timeout))
	c.GapTimeout = cmp.Or(c.GapTimeout, min(DefaultGapTimeout, c.Timeout))
	if c.Stream == nil {
		stream := true
		c.Stream = &stream
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{}
	}
}

var (
	headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	fieldName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// ownFields of the body have a meaning here that Extra must not change.
	ownFields = []string{"model", "messages", "stream", "n", "tools"}
)

// validate reports every fault, each with its key and what would be right.
func (c *Config) validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if strings.TrimSpace(c.Model) == "" {
		fault("model: it is empty; name the model to ask")
	}
	if key := c.APIKey.Reveal(); !printable(key) || strings.ContainsFunc(key, unicode.IsSpace) {
		fault("api_key contains a space, a line break or a character no header can carry: check where it is read from")
	}
	for _, err := range checkURL(c.BaseURL) {
		fault("base_url %w", err)
	}
	for name, value := range map[string]string{"organization": c.Organization, "project": c.Project} {
		if !printable(value) {
			fault("%s contains a line break or a character no header can carry", name)
		}
	}
	if t := c.Temperature; t != nil && !(*t >= 0 && *t <= 2) {
		fault("temperature is %v: write 0 to 2", *t)
	}
	for name, n := range map[string]int{
		"max_output_tokens": c.MaxOutputTokens, "max_history_messages": c.MaxHistoryMessages, "max_reply_bytes": c.MaxReplyBytes,
	} {
		if n < 0 {
			fault("%s is %d: write 1 or more, or leave it out", name, n)
		}
	}
	for name, d := range map[string]time.Duration{
		"timeout": c.Timeout, "first_token_timeout": c.FirstTokenTimeout, "gap_timeout": c.GapTimeout,
	} {
		if d < 0 {
			fault("%s is %v: write more than 0, or leave it out", name, d)
		}
		if total := cmp.Or(c.Timeout, DefaultTimeout); d > total && total > 0 && name != "timeout" {
			fault("%s is %v, longer than timeout, %v: lower it, or raise timeout", name, d, total)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		switch {
		case !headerName.MatchString(name):
			fault("headers: %q is no name of a header", name)
		case !printable(c.Headers[name].Reveal()):
			fault("headers: the value of %s contains a line break or a character no header can carry", name)
		case strings.EqualFold(name, "Authorization") && c.APIKey != "":
			fault("headers: %s is what api_key sets: give one of the two", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		switch {
		case !fieldName.MatchString(name):
			fault("extra: %q is no name of a field", name)
		case slices.Contains(ownFields, name):
			fault("extra: %s cannot be set here", name)
		default:
			if _, err := json.Marshal(c.Extra[name]); err != nil {
				fault("extra: %s: %w", name, err)
			}
		}
	}
	// Maps above are walked in any order; the report has one.
	slices.SortStableFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// checkURL does not quote the URL: it may hold a password.
func checkURL(s string) []error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return []error{errors.New("is no URL: write one like http://localhost:11434/v1")}
	}
	var errs []error
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		errs = append(errs, errors.New("is no address of a server: write one like http://localhost:11434/v1"))
	}
	if u.User != nil {
		errs = append(errs, errors.New("contains a user name or password: use api_key or headers"))
	}
	if u.RawQuery != "" || u.Fragment != "" {
		errs = append(errs, errors.New("contains a query or fragment: leave it out"))
	}
	if strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/chat/completions") {
		errs = append(errs, errors.New("contains /chat/completions: leave it out, it is added"))
	}
	return errs
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) })
}
