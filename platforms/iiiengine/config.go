package iiiengine

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/secret"
)

// The defaults of [Defaults].
const (
	DefaultName            = "iii"
	DefaultPrefix          = "conversation"
	DefaultInbox           = "conversation.inbox"
	DefaultLifecycle       = "conversation.lifecycle"
	DefaultReplyTimeout    = 10 * time.Minute
	DefaultConcurrency     = 100
	DefaultReplicaInterval = 2 * time.Second
)

// DefaultPersonas are the functions of a service made for it.
var DefaultPersonas = []string{"persona::*"}

// Off switches a topic off.
const Off = "off"

// Config is what a [Platform] needs, and what is served beside it. The keys are
// those of parley.yaml, where settings that are left out are those of [Defaults].
type Config struct {
	// Name is the platform's name in the configuration, which its refs carry.
	// Default: [DefaultName].
	Name string `yaml:"-"`
	// URL is the engine's address. Default: iii.DefaultURL.
	URL string `yaml:"url"`
	// Headers and Query go with every handshake, for engines that want credentials.
	Headers map[string]secret.String `yaml:"headers"`
	Query   map[string]secret.String `yaml:"query"`
	// WorkerName is what the engine's list of workers calls this process; the host
	// and something random are added, because names must be unique. Default:
	// "parley-" and Name.
	WorkerName string `yaml:"worker_name"`
	// Namespace is where functions are served and personas are looked for, on
	// engines from 0.23. Empty: "default".
	Namespace string `yaml:"namespace"`
	// Era is the engine's, a letter from A to F. Empty: it is found out.
	Era string `yaml:"era"`
	// Prefix comes before the names of the functions that are served. Default:
	// [DefaultPrefix].
	Prefix string `yaml:"prefix"`
	// Inbox is the durable topic whose messages start conversations. Empty or [Off]:
	// there is none.
	Inbox string `yaml:"inbox"`
	// Lifecycle is the topic on which is published what happens to conversations.
	// Empty or [Off]: nothing is.
	Lifecycle string `yaml:"lifecycle"`
	// AgentChat serves agent::chat too, in AgentOS's place.
	AgentChat bool `yaml:"agent_chat"`
	// Concurrency is how many calls of start, send and agent::chat may be under way in
	// this process, those that wait for a reply included; further ones are refused. As
	// many again may read and end conversations, and as many messages of the inbox be
	// taken in, of which further ones wait. Zero: [DefaultConcurrency].
	Concurrency int `yaml:"concurrency"`
	// Personas are patterns of the functions that whoever starts a conversation may name
	// as the persona; "*" stands for any text. They are called with what the agent says.
	// Nil: [DefaultPersonas]. Empty: none.
	Personas []string `yaml:"personas"`
	// ReplyTimeout is how long a call waits for an agent's reply before it fails; the
	// reply is to be had later. Default: [DefaultReplyTimeout].
	ReplyTimeout time.Duration `yaml:"reply_timeout"`

	// ReplicaInterval is how often a replica compares its functions with the engine's
	// list, besides each time that a worker leaves. Engines drop a message of the inbox
	// whose function has no worker for three seconds. Default: [DefaultReplicaInterval].
	ReplicaInterval time.Duration `yaml:"-"`
	// Version is shown in the engine's list of workers.
	Version string `yaml:"-"`
	// HTTPClient makes the handshake. Default: the iii client's.
	HTTPClient *http.Client `yaml:"-"`
	// Logger is told of connections and losses. Nil: silent.
	Logger *slog.Logger `yaml:"-"`
}

// Defaults is what parley.yaml's settings begin with.
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

// Validate reports every fault at once. Each names the key and says what would be
// right. [New] calls it.
func (cfg Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if strings.Contains(cfg.Name, "/") {
		fault("name %q contains a slash: choose a name without", cfg.Name)
	}
	faults = append(faults, checkURL(cfg.URL))
	for _, name := range sorted(cfg.Headers) {
		switch value := strings.TrimSpace(cfg.Headers[name].Reveal()); {
		case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`:"(),/;<=>?@[\]{}`, r) }) || name == "":
			fault("headers: %q is no name of a header", name)
		case value == "":
			fault("headers: %s is empty: check where it is read from", name)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r >= 0x7f }):
			fault("headers: %s contains a line break or a character no header can carry: check where it is read from", name)
		}
	}
	for _, name := range sorted(cfg.Query) {
		if cfg.Query[name] == "" {
			fault("query: %s is empty: check where it is read from", name)
		}
	}
	for _, f := range []struct{ key, value, such string }{
		{"prefix", cfg.Prefix, "conversation"}, {"namespace", cfg.Namespace, "default"}, {"worker_name", cfg.WorkerName, "desk"},
		{"inbox", cfg.Inbox, DefaultInbox}, {"lifecycle", cfg.Lifecycle, DefaultLifecycle},
	} {
		if strings.ContainsFunc(f.value, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			fault("%s is %q: write a name without spaces, such as %s", f.key, f.value, f.such)
		}
	}
	if strings.HasPrefix(cfg.Prefix, "engine") || strings.HasPrefix(cfg.Prefix, ":") || strings.HasSuffix(cfg.Prefix, ":") {
		fault("prefix is %q: names that begin with engine are the engine's, and the colons are added: write a name such as conversation", cfg.Prefix)
	}
	if cfg.Era != "" && (len(cfg.Era) != 1 || cfg.Era[0] < 'A' || cfg.Era[0] > 'F') {
		fault("era is %q: write a letter from A to F, or leave it out", cfg.Era)
	}
	if cfg.Concurrency < 0 {
		fault("concurrency is %d: write 1 or more, or leave it out", cfg.Concurrency)
	}
	for _, pattern := range cfg.Personas {
		if pattern == "" || strings.ContainsFunc(pattern, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			fault("personas: %q is no pattern of functions: write one such as persona::*", pattern)
		}
	}
	if cfg.ReplyTimeout < 0 {
		fault("reply_timeout is %s: use a positive duration such as 10m, or leave it out", cfg.ReplyTimeout)
	}
	return errors.Join(faults...)
}

// PersonaAllowed reports whether a function may be called as a persona.
func (cfg Config) PersonaAllowed(functionID string) bool {
	return slices.ContainsFunc(cfg.Personas, func(pattern string) bool { return matches(pattern, functionID) })
}

// matches tells whether a text is as a pattern says, in which "*" stands for any text.
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

// checkURL never quotes what may hold a password.
func checkURL(raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("url is no address: write it in full, such as " + iii.DefaultURL)
	case u.User != nil:
		return errors.New("url contains a user name or password: leave them out, headers and query are for credentials")
	case !slices.Contains([]string{"ws", "wss", "http", "https"}, u.Scheme) || u.Host == "":
		return errors.New("url is no ws:// or wss:// address: write it in full, such as " + iii.DefaultURL)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("url has a query or a fragment: leave them out, query is for parameters: %s://%s%s", u.Scheme, u.Host, u.Path)
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
