package runagent

import (
	"cmp"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// A Mode says where agents run.
type Mode string

// The modes.
const (
	ModeServerless Mode = "serverless"
	ModeLocal      Mode = "local"
)

// The defaults of a [Config].
const (
	DefaultMode              = ModeServerless
	DefaultURL               = "https://backend.run-agent.ai"
	DefaultHost              = "127.0.0.1"
	DefaultPort              = 8450
	DefaultMessageKey        = "message"
	DefaultTimeout           = 10 * time.Minute
	DefaultFirstTokenTimeout = 2 * time.Minute
	DefaultGapTimeout        = 2 * time.Minute
	DefaultMaxReplyBytes     = modelcall.DefaultMaxReplyBytes
)

// Provider is the name that results carry.
const Provider = "runagent"

// Config says where agents run and, for requests that do not say, which.
type Config struct {
	// Mode is ModeServerless or ModeLocal. A task may send a serverless run to a
	// local agent, but not the other way round. Default: DefaultMode.
	Mode Mode `yaml:"mode"`
	// URL is where RunAgent Serverless is; /api/v1 is added. Default: DefaultURL.
	URL string `yaml:"url"`
	// APIKey is sent to RunAgent Serverless, never to a local agent. Required for
	// ModeServerless.
	APIKey secret.String `yaml:"api_key"`
	// Host and Port are where a local agent listens. Default: what RunAgent's
	// registry says of the agent; if one of the two is given, DefaultHost or
	// DefaultPort for the other.
	Host string `yaml:"host"`
	Port int    `yaml:"port"`
	// AgentHosts are further addresses to which a task may send its run by
	// agent_host and agent_port: "host", which is every port of it, "host:port", a
	// range of addresses such as "10.0.0.0/8", or "all". The answer of whatever is
	// there becomes the task's result. Without any, a task may name the configured
	// host and port (default: this machine's port DefaultPort) and what the registry
	// has for this machine.
	AgentHosts []string `yaml:"agent_hosts"`
	// CacheDir is the folder with RunAgent's registry of local agents. Default:
	// RUNAGENT_CACHE_DIR, or .runagent in the home folder.
	CacheDir string `yaml:"cache_dir"`
	// AgentID and Entrypoint are what is run where no task says so.
	AgentID    string `yaml:"agent_id"`
	Entrypoint string `yaml:"entrypoint"`
	// UserID and PersistentMemory apply where the task does not set them.
	UserID           string `yaml:"user_id"`
	PersistentMemory bool   `yaml:"persistent_memory"`
	// MessageKey is the keyword argument that carries what has been said to the
	// agent. Default: DefaultMessageKey.
	MessageKey string `yaml:"message_key"`
	// HistoryKey is the keyword argument that carries the conversation so far.
	// Empty: it is not sent.
	HistoryKey string `yaml:"history_key"`
	// ReplyPath is where the text of the reply is in an agent's answer that is no
	// text, in the words of github.com/tidwall/gjson. It is not used for tasks:
	// their result is the whole answer.
	ReplyPath string `yaml:"reply_path"`
	// Timeout bounds a run unless its task states a time of its own. The server is
	// told too. Default: DefaultTimeout.
	Timeout time.Duration `yaml:"timeout"`
	// FirstTokenTimeout bounds the wait for the first piece of a stream, GapTimeout
	// for each further one. Defaults: DefaultFirstTokenTimeout, DefaultGapTimeout.
	FirstTokenTimeout time.Duration `yaml:"first_token_timeout"`
	GapTimeout        time.Duration `yaml:"gap_timeout"`
	// MaxReplyBytes bounds a result. Default: DefaultMaxReplyBytes.
	MaxReplyBytes int `yaml:"max_reply_bytes"`
	// AtMostOnce is for agents that must not run twice: an attempt whose end nobody
	// knows is then the last one.
	AtMostOnce bool `yaml:"at_most_once"`
	// RetryAgentErrors has a run that the agent itself failed be tried again.
	// Default: it is final.
	RetryAgentErrors bool `yaml:"retry_agent_errors"`
	// Validate asks the agent for its entrypoints before a run, so that an unknown
	// one is told with the names there are. Default: true.
	Validate *bool `yaml:"validate"`
	// HTTPClient sends the requests. Default: one of our own.
	HTTPClient *http.Client `yaml:"-"`
	// LookupEnv looks up RUNAGENT_CACHE_DIR. Default: os.LookupEnv.
	LookupEnv func(string) (string, bool) `yaml:"-"`
}

func (c Config) timers() modelcall.Timers {
	t := modelcall.Timers{Total: cmp.Or(c.Timeout, DefaultTimeout)}
	t.FirstToken = cmp.Or(c.FirstTokenTimeout, min(DefaultFirstTokenTimeout, t.Total))
	t.Gap = cmp.Or(c.GapTimeout, min(DefaultGapTimeout, t.Total))
	return t
}

func (c Config) withDefaults() (Config, error) {
	t := c.timers()
	c.Timeout, c.FirstTokenTimeout, c.GapTimeout = t.Total, t.FirstToken, t.Gap
	c.Mode = cmp.Or(c.Mode, DefaultMode)
	c.URL = cmp.Or(c.URL, DefaultURL)
	c.MessageKey = cmp.Or(c.MessageKey, DefaultMessageKey)
	c.MaxReplyBytes = cmp.Or(c.MaxReplyBytes, DefaultMaxReplyBytes)
	if c.LookupEnv == nil {
		c.LookupEnv = os.LookupEnv
	}
	if c.CacheDir == "" {
		c.CacheDir, _ = c.LookupEnv("RUNAGENT_CACHE_DIR")
	}
	c.LookupEnv = nil
	rest, inHome := strings.CutPrefix(cmp.Or(c.CacheDir, "~/.runagent"), "~/")
	if !inHome {
		return c, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return c, settings.Fault("cache_dir", "write the folder that has "+registryFile, "is not given, and there is no home folder")
	}
	c.CacheDir = filepath.Join(home, rest)
	return c, nil
}

// validate reports every fault, each with its key and what would be right.
func (c Config) validate() error {
	var f settings.Faults
	switch c.Mode {
	case "", ModeServerless:
	case ModeLocal:
		if c.URL != "" {
			f.Add("url", "for local agents write host and port", "is for mode: serverless")
		}
	default:
		f.Add("mode", "write serverless or local", "is %q", c.Mode)
	}
	if _, err := parseBase(c.URL); c.URL != "" && err != nil {
		f.Add("url", "", "%v", err)
	}
	f.Key(c.APIKey)
	if err := checkHost(c.Host); err != nil {
		f.Add("host", "", "%v", err)
	}
	if c.Port < 0 || c.Port > 65535 {
		f.Add("port", "write 1 to 65535, or leave it out", "is %d", c.Port)
	}
	_, err := parseAgentHosts(c.AgentHosts)
	f.Include(err)
	if err := checkID(c.AgentID); err != nil {
		f.Add("agent_id", "", "%v", err)
	}
	if err := checkTag(c.Entrypoint); err != nil {
		f.Add("entrypoint", "", "%v", err)
	}
	if c.HistoryKey != "" && c.HistoryKey == cmp.Or(c.MessageKey, DefaultMessageKey) {
		f.Add("history_key", "give two names", "is the same as message_key")
	}
	if c.ReplyPath != strings.TrimSpace(c.ReplyPath) {
		f.Add("reply_path", "", "is %q, which begins or ends with a space", c.ReplyPath)
	}
	if c.AtMostOnce && c.RetryAgentErrors {
		f.Add("retry_agent_errors", "give one of the two", "would run an agent twice, which at_most_once forbids")
	}
	t := c.timers()
	modelcall.Timers{Total: t.Total, FirstToken: c.FirstTokenTimeout, Gap: c.GapTimeout}.Validate(&f)
	f.Count("max_reply_bytes", int64(c.MaxReplyBytes))
	return f.Err()
}

func (c Config) validates() bool { return c.Validate == nil || *c.Validate }
