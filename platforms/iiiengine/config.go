package iiiengine

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// The defaults of a [Config].
const (
	DefaultName            = "iii"
	DefaultPrefix          = "conversation"
	DefaultInbox           = "conversation.inbox"
	DefaultLifecycle       = "conversation.lifecycle"
	DefaultReplyTimeout    = 10 * time.Minute
	DefaultConcurrency     = 100
	DefaultReplicaInterval = 2 * time.Second
)

// DefaultPersonas permits the functions of the service "persona".
var DefaultPersonas = []string{"persona::*"}

// Off, in place of a topic, disables it.
const Off = "off"

// Config has the settings of a [Platform] and of the functions that are served with it.
// The keys are those of parley.yaml, where missing settings are those of [Defaults].
type Config struct {
	// Name is the platform's name in the configuration, which its refs carry.
	// Default: [DefaultName].
	Name string `yaml:"-"`
	// URL is the engine's address. Default: iii.DefaultURL.
	URL string `yaml:"url"`
	// Headers and Query are sent with every handshake. They carry the credentials where
	// an engine demands some. Default: none.
	Headers map[string]secret.String `yaml:"headers"`
	Query   map[string]secret.String `yaml:"query"`
	// WorkerName is the name of this process in the engine's list of workers. The host
	// and random characters are added, because names must be unique. Default: "parley-"
	// and Name.
	WorkerName string `yaml:"worker_name"`
	// Namespace of the served functions and of the personas, on engines from 0.23.
	// Empty: "default".
	Namespace string `yaml:"namespace"`
	// Era of the engine, a letter from A to F. Empty: it is detected.
	Era string `yaml:"era"`
	// Prefix is the service part of the served functions' ids. Default:
	// [DefaultPrefix].
	Prefix string `yaml:"prefix"`
	// Inbox is the durable topic whose messages start conversations. Empty or [Off]:
	// there is none.
	Inbox string `yaml:"inbox"`
	// Lifecycle is the topic of the conversations' events. Empty or [Off]: none are
	// published.
	Lifecycle string `yaml:"lifecycle"`
	// AgentChat serves AgentOS's function agent::chat, too.
	AgentChat bool `yaml:"agent_chat"`
	// Concurrency is how many calls of start, send and agent::chat this process runs at
	// once, including those that wait for a reply; further ones are refused. The other
	// functions have the same limit of their own, and so has the inbox, whose further
	// messages wait. Zero: [DefaultConcurrency].
	Concurrency int `yaml:"concurrency"`
	// Personas are patterns of the functions that a caller may name as a persona; "*"
	// matches any text. They receive the agent's messages. Nil: [DefaultPersonas].
	// Empty: none.
	Personas []string `yaml:"personas"`
	// ReplyTimeout is how long a call waits for an agent's reply. A later call with the
	// same messageId gets the reply. Default: [DefaultReplyTimeout].
	ReplyTimeout time.Duration `yaml:"reply_timeout"`

	// ReplicaInterval is how often a replica compares its functions with the engine's
	// list, besides each time that a worker leaves. Engines drop a message of the inbox
	// whose function has no worker for three seconds. Default: [DefaultReplicaInterval].
	ReplicaInterval time.Duration `yaml:"-"`
	// Version is shown in the engine's list of workers.
	Version string `yaml:"-"`
	// HTTPClient makes the handshake. Default: that of package iii.
	HTTPClient *http.Client `yaml:"-"`
	// Logger receives connections and losses. Default: no log.
	Logger *slog.Logger `yaml:"-"`
}

// Defaults are the settings that parley.yaml changes.
func Defaults() Config {
	return Config{Inbox: DefaultInbox, Lifecycle: DefaultLifecycle}
}

func (cfg Config) withDefaults() Config {
	for into, value := range map[*string]string{
		&cfg.Name: DefaultName, &cfg.URL: iii.DefaultURL, &cfg.Prefix: DefaultPrefix,
	} {
		if *into == "" {
			*into = value
		}
	}
	if cfg.WorkerName == "" {
		cfg.WorkerName = "parley-" + cfg.Name
	}
	for _, topic := range []*string{&cfg.Inbox, &cfg.Lifecycle} {
		if *topic == Off {
			*topic = ""
		}
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = DefaultConcurrency
	}
	if cfg.Personas == nil {
		cfg.Personas = slices.Clone(DefaultPersonas)
	}
	if cfg.ReplyTimeout == 0 {
		cfg.ReplyTimeout = DefaultReplyTimeout
	}
	if cfg.ReplicaInterval == 0 {
		cfg.ReplicaInterval = DefaultReplicaInterval
	}
	return cfg
}

// Validate reports every fault at once, each with its key and a remedy. [New] calls it.
func (cfg Config) Validate() error {
	var f settings.Faults
	if strings.Contains(cfg.Name, "/") {
		f.Add("", "choose a name without", "name %q contains a slash", cfg.Name)
	}
	f.Include(checkURL(cfg.URL))
	for _, name := range sorted(cfg.Headers) {
		value := strings.TrimSpace(cfg.Headers[name].Reveal()) // a file's line break is cut off when it is sent, too
		if value == "" {
			f.Add("headers."+name, "check where it is read from", "is empty")
		}
		f.Headers(map[string]secret.String{name: secret.String(value)}, "", "")
	}
	for _, name := range sorted(cfg.Query) {
		if cfg.Query[name] == "" {
			f.Add("query."+name, "check where it is read from", "is empty")
		}
	}
	for _, n := range []struct{ key, value, such string }{
		{"prefix", cfg.Prefix, "conversation"}, {"namespace", cfg.Namespace, "default"}, {"worker_name", cfg.WorkerName, "desk"},
		{"inbox", cfg.Inbox, DefaultInbox}, {"lifecycle", cfg.Lifecycle, DefaultLifecycle},
	} {
		if strings.ContainsFunc(n.value, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			f.Add(n.key, "write a name without spaces, such as "+n.such, "is %q", n.value)
		}
	}
	if strings.HasPrefix(cfg.Prefix, "engine") || strings.HasPrefix(cfg.Prefix, ":") || strings.HasSuffix(cfg.Prefix, ":") {
		f.Add("prefix", "names that begin with engine are the engine's, and the colons are added: write a name such as conversation", "is %q", cfg.Prefix)
	}
	if cfg.Era != "" && (len(cfg.Era) != 1 || cfg.Era[0] < 'A' || cfg.Era[0] > 'F') {
		f.Add("era", "write a letter from A to F, or leave it out", "is %q", cfg.Era)
	}
	f.Count("concurrency", int64(cfg.Concurrency))
	for i, pattern := range cfg.Personas {
		if pattern == "" || strings.ContainsFunc(pattern, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			f.Add(fmt.Sprintf("personas[%d]", i), "write one such as persona::*", "is %q, which is no pattern of functions", pattern)
		}
	}
	f.Duration("reply_timeout", cfg.ReplyTimeout)
	return f.Err()
}

// PersonaAllowed reports whether a function may be called as a persona.
func (cfg Config) PersonaAllowed(functionID string) bool {
	return slices.ContainsFunc(cfg.Personas, func(pattern string) bool { return matches(pattern, functionID) })
}

// matches reports whether a text matches a pattern, in which "*" matches any text.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(text, first) || !strings.HasSuffix(text[len(first):], last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = rest
	}
	return true
}

// checkURL quotes nothing that may be a password.
func checkURL(raw string) error {
	if err := settings.WebSocketURL(raw, iii.DefaultURL); err != nil || raw == "" {
		return err
	}
	u, err := url.Parse(raw)
	if err == nil && (u.RawQuery != "" || u.Fragment != "") {
		return settings.Fault("url", fmt.Sprintf("leave them out, query is for parameters: %s://%s%s", u.Scheme, u.Host, u.Path), "has a query or a fragment")
	}
	return nil
}

func sorted(m map[string]secret.String) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
