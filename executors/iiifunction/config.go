package iiifunction

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// A Dialect is the shape of a function's requests and answers.
type Dialect string

// The dialects.
const (
	DialectAgentOS Dialect = "agentos" // AgentOS's agent::chat
	DialectLLM     Dialect = "llm"     // AgentOS's llm::complete
	DialectPlain   Dialect = "plain"   // any function
)

// A Shape is one of the two request formats of AgentOS's llm::complete.
type Shape string

// The shapes.
const (
	ShapeTypeScript Shape = "typescript" // model is an object; of March 2026
	ShapeRust       Shape = "rust"       // model is a name; since May 2026
)

// The defaults of a [Config].
const (
	DefaultURL            = iii.DefaultURL
	DefaultChat           = "agent::chat"
	DefaultComplete       = "llm::complete"
	DefaultSession        = "parley"
	DefaultShape          = ShapeRust
	DefaultLLM            = "anthropic"
	DefaultMaxTokens      = 4096
	DefaultChatTimeout    = 5 * time.Minute
	DefaultLLMTimeout     = 2 * time.Minute
	DefaultTimeout        = 30 * time.Second
	DefaultConnectTimeout = 5 * time.Second
	DefaultMaxReplyBytes  = executors.DefaultMaxReplyBytes
	DefaultOpening        = executors.DefaultOpening
	DefaultScan           = "security::scan_injection"
	DefaultMaxRisk        = 0.5
	DefaultGuardTimeout   = 10 * time.Second
)

// Config names the function that produces the agent's replies, and its engine.
type Config struct {
	// URL of the engine: ws, wss, http or https. Default: DefaultURL.
	URL string `yaml:"url"`
	// Headers and Query are sent with every handshake. They carry the credentials where
	// an engine demands some. Default: none.
	Headers map[string]secret.String `yaml:"headers"`
	Query   map[string]secret.String `yaml:"query"`
	// Namespace of the functions, on engines from 0.23. Default: "default".
	Namespace string `yaml:"namespace"`
	// Function is the id of the function. Default: DefaultChat, or DefaultComplete with
	// DialectLLM. Required for DialectPlain.
	Function string `yaml:"function"`
	// Dialect of the function. Default: that of AgentOS for its two functions, else
	// DialectPlain.
	Dialect Dialect `yaml:"dialect"`
	// Provider is the model's provider with DialectLLM. Otherwise it is the provider's
	// name in results. Default: DefaultLLM; "agentos" or "iii".
	Provider string `yaml:"provider"`
	// Model is the model with DialectLLM. Otherwise it is the model's name in results
	// whose answer has none. Default: the provider's, or none.
	Model string `yaml:"model"`
	// Thoughts says what happens to what a model thinks aloud at the beginning of a
	// text. Default: executors.DropThoughts, and executors.KeepThoughts for a function
	// that answers by the contract, whose texts are what the agent says.
	Thoughts executors.Thoughts `yaml:"thoughts"`
	// Send selects the messages of a request. Default: wire.SendNew with DialectAgentOS,
	// else wire.SendAll.
	Send wire.Send `yaml:"send"`

	// AgentID is the agent that agent::chat runs. Required for DialectAgentOS.
	AgentID string `yaml:"agent_id"`
	// Session is the prefix of session ids, before the conversation's name. Default:
	// DefaultSession.
	Session string `yaml:"session"`
	// System is the system prompt. Default: the agent's own, or none.
	System string `yaml:"system"`
	// Opening is sent in place of a user's message to an agent that writes first.
	// Default: DefaultOpening.
	Opening string `yaml:"opening"`
	// Shape of the request of llm::complete. Default: DefaultShape.
	Shape Shape `yaml:"shape"`
	// MaxTokens bounds the model's answer. Default: DefaultMaxTokens.
	MaxTokens int `yaml:"max_tokens"`

	// Request and Response translate for functions of DialectPlain that do not follow
	// the contract of package wire. Zero: the contract.
	Request  wire.RequestMapping  `yaml:"request"`
	Response wire.ResponseMapping `yaml:"response"`

	// Guard scans messages before the agent gets them. Nil: no scan.
	Guard *Guard `yaml:"guard"`
	// Timeout bounds a whole call, including the guard's. Default:
	// DefaultChatTimeout, DefaultLLMTimeout or DefaultTimeout, by dialect.
	Timeout time.Duration `yaml:"timeout"`
	// ConnectTimeout bounds the wait for a connection. Default:
	// DefaultConnectTimeout, at most Timeout.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
	// MaxReplyBytes bounds a reply. Default: DefaultMaxReplyBytes.
	MaxReplyBytes int `yaml:"max_reply_bytes"`
	// AtMostOnce is for functions that must not run twice: an ambiguous attempt is not
	// retried.
	AtMostOnce bool `yaml:"at_most_once"`

	// Logger receives connections, and messages that a failing guard did not scan.
	// Default: no log.
	Logger *slog.Logger `yaml:"-"`
	// HTTPClient makes the handshake. Default: that of package iii.
	HTTPClient *http.Client `yaml:"-"`
}

// Fail is the treatment of messages that a failing guard did not scan.
type Fail string

// The treatments.
const (
	FailClosed Fail = "closed" // the agent does not get the message
	FailOpen   Fail = "open"   // the agent gets the message
)

// A Guard is a function that scans the messages to the agent.
type Guard struct {
	// Function takes {"text": …} and answers {"riskScore": 0 to 1}. Default:
	// DefaultScan.
	Function string `yaml:"function"`
	// MaxRisk is the highest score that passes. Default: DefaultMaxRisk.
	MaxRisk *float64 `yaml:"max_risk"`
	// Fail applies while the guard does not answer. Default: FailClosed.
	Fail Fail `yaml:"fail"`
	// Timeout bounds the guard's answer. Default: DefaultGuardTimeout.
	Timeout time.Duration `yaml:"timeout"`
}

func (c Config) dialect() Dialect {
	switch {
	case c.Dialect != "":
		return c.Dialect
	case c.Function == "", c.Function == DefaultChat:
		return DialectAgentOS
	case c.Function == DefaultComplete:
		return DialectLLM
	}
	return DialectPlain
}

func (c Config) withDefaults() Config {
	c.Dialect = c.dialect()
	c.URL = cmp.Or(c.URL, DefaultURL)
	c.Opening = cmp.Or(c.Opening, DefaultOpening)
	c.Session = cmp.Or(c.Session, DefaultSession)
	c.Shape = cmp.Or(c.Shape, DefaultShape)
	c.MaxTokens = cmp.Or(c.MaxTokens, DefaultMaxTokens)
	c.MaxReplyBytes = cmp.Or(c.MaxReplyBytes, DefaultMaxReplyBytes)
	switch c.Dialect {
	case DialectAgentOS:
		c.Function, c.Provider = cmp.Or(c.Function, DefaultChat), cmp.Or(c.Provider, "agentos")
		c.Send, c.Timeout = cmp.Or(c.Send, wire.SendNew), cmp.Or(c.Timeout, DefaultChatTimeout)
	case DialectLLM:
		c.Function, c.Provider = cmp.Or(c.Function, DefaultComplete), cmp.Or(c.Provider, DefaultLLM)
		c.Timeout = cmp.Or(c.Timeout, DefaultLLMTimeout)
	case DialectPlain:
		c.Provider, c.Timeout = cmp.Or(c.Provider, "iii"), cmp.Or(c.Timeout, DefaultTimeout)
	}
	c.Send = cmp.Or(c.Send, wire.SendAll)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, min(DefaultConnectTimeout, c.Timeout))
	if c.Guard != nil {
		g := *c.Guard // the caller's value must not change
		highest := DefaultMaxRisk
		g.Function, g.MaxRisk = cmp.Or(g.Function, DefaultScan), cmp.Or(g.MaxRisk, &highest)
		g.Fail, g.Timeout = cmp.Or(g.Fail, FailClosed), cmp.Or(g.Timeout, DefaultGuardTimeout)
		c.Guard = &g
	}
	return c
}

// validate reports every fault, each with its key and a remedy.
func (c Config) validate() (*mapping, error) {
	var f settings.Faults
	f.Include(settings.WebSocketURL(c.URL, DefaultURL))
	f.Headers(c.Headers, "", "")
	for name := range c.Query {
		if strings.TrimSpace(name) == "" {
			f.Add("query."+name, "write a name", "is empty")
		}
	}
	for key, value := range map[string]string{"namespace": c.Namespace, "function": c.Function} {
		if value != strings.TrimSpace(value) {
			f.Add(key, "", "is %q, which begins or ends with a space", value)
		}
	}
	c.validateDialect(&f)
	if c.Guard != nil {
		c.Guard.validate(&f)
	}
	f.Duration("timeout", c.Timeout)
	f.Duration("connect_timeout", c.ConnectTimeout)
	f.Count("max_tokens", int64(c.MaxTokens))
	f.Count("max_reply_bytes", int64(c.MaxReplyBytes))
	settings.OneOf(&f, "thoughts", c.Thoughts, executors.DropThoughts, executors.KeepThoughts)
	m := newMapping(c.Request, c.Response, &f)
	return m, f.Err()
}

// validateDialect reports settings that the dialect requires or does not use.
func (c Config) validateDialect(f *settings.Faults) {
	d := c.dialect()
	switch d {
	case DialectAgentOS:
		if strings.TrimSpace(c.AgentID) == "" {
			f.Add("agent_id", "write the id of the agent that "+cmp.Or(c.Function, DefaultChat)+" is to run", "is missing")
		}
	case DialectLLM:
		if c.Shape == ShapeTypeScript && c.Model == "" {
			f.Add("model", "with shape: typescript, "+cmp.Or(c.Function, DefaultComplete)+" has no default", "is missing")
		}
	case DialectPlain:
		if c.Function == "" {
			f.Add("function", "write the id of the function to call", "is missing")
		}
	default:
		f.Add("dialect", "write agentos, llm or plain", "is %q", d)
		return
	}
	settings.OneOf(f, "shape", c.Shape, ShapeTypeScript, ShapeRust)
	settings.OneOf(f, "send", c.Send, wire.SendAll, wire.SendNew)
	for _, only := range []struct {
		key      string
		given    bool
		dialects []Dialect
	}{
		{"agent_id", c.AgentID != "", []Dialect{DialectAgentOS}},
		{"session", c.Session != "", []Dialect{DialectAgentOS}},
		{"system", c.System != "", []Dialect{DialectAgentOS, DialectLLM}},
		{"opening", c.Opening != "", []Dialect{DialectAgentOS, DialectLLM}},
		{"shape", c.Shape != "", []Dialect{DialectLLM}},
		{"max_tokens", c.MaxTokens != 0, []Dialect{DialectLLM}},
		{"send", c.Send != "", []Dialect{DialectAgentOS, DialectPlain}},
		{"request", c.Request.Body != "", []Dialect{DialectPlain}},
		{"response", given(c.Response), []Dialect{DialectPlain}},
	} {
		if only.given && !slices.Contains(only.dialects, d) {
			f.Add(only.key, "leave it out, or change dialect", "is for dialect: %s, and this is %s", join(only.dialects), d)
		}
	}
}

func join(list []Dialect) string {
	names := make([]string, len(list))
	for i, d := range list {
		names[i] = string(d)
	}
	return strings.Join(names, " or ")
}

func (g Guard) validate(f *settings.Faults) {
	if g.Function != strings.TrimSpace(g.Function) {
		f.Add("guard.function", "", "is %q, which begins or ends with a space", g.Function)
	}
	if g.MaxRisk != nil && !(*g.MaxRisk >= 0 && *g.MaxRisk <= 1) {
		f.Add("guard.max_risk", "write 0 to 1", "is %v", *g.MaxRisk)
	}
	settings.OneOf(f, "guard.fail", g.Fail, FailClosed, FailOpen)
	f.Duration("guard.timeout", g.Timeout)
}
