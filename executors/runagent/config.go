package runagent

import (
	"cmp"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// A Mode is where agents run.
type Mode string

// Values of Mode.
const (
	ModeServerless Mode = "serverless"
	ModeLocal      Mode = "local"
)

// Defaults of a [Config].
const (
	DefaultMode              = ModeServerless
	DefaultURL               = "https://backend.run-agent.ai"
	DefaultHost              = "127.0.0.1"
	DefaultPort              = 8450
	DefaultMessageKey        = "message"
	DefaultTimeout           = 10 * time.Minute
	DefaultFirstTokenTimeout = 2 * time.Minute
	DefaultGapTimeout        = 2 * time.Minute
	DefaultMaxReplyBytes     = executors.DefaultMaxReplyBytes
)

// Provider is the provider's name in results.
const Provider = "runagent"

// Config names where agents run, and the agent for requests that name none.
type Config struct {
	// Mode is ModeServerless or ModeLocal. A task may redirect a serverless run to
	// a local agent, but not the reverse. Default: DefaultMode.
	Mode Mode `yaml:"mode"`
	// URL is the address of RunAgent Serverless; /api/v1 is appended. Default:
	// DefaultURL.
	URL string `yaml:"url"`
	// APIKey is sent to RunAgent Serverless, never to a local agent. Required for
	// ModeServerless.
	APIKey secret.String `yaml:"api_key"`
	// Host and Port are the address of a local agent. Default: the agent's entry in
	// RunAgent's registry; if only one is given, DefaultHost or DefaultPort for the
	// other.
	Host string `yaml:"host"`
	Port int    `yaml:"port"`
	// AgentHosts are further addresses to which a task may send its run by
	// agent_host and agent_port: "host", which includes all its ports, "host:port",
	// a range of addresses such as "10.0.0.0/8", or "all". The answer from that
	// address becomes the task's result. Default: a task may name only the
	// configured host and port (default: DefaultPort of this machine) and the
	// registry's entries for this machine.
	AgentHosts []string `yaml:"agent_hosts"`
	// CacheDir is the folder with RunAgent's registry of local agents. Default:
	// RUNAGENT_CACHE_DIR, or .runagent in the home folder.
	CacheDir string `yaml:"cache_dir"`
	// AgentID and Entrypoint are used if no task names them.
	AgentID    string `yaml:"agent_id"`
	Entrypoint string `yaml:"entrypoint"`
	// UserID and PersistentMemory are used if the task does not set them.
	UserID           string `yaml:"user_id"`
	PersistentMemory bool   `yaml:"persistent_memory"`
	// MessageKey is the keyword argument with the new user messages. Default:
	// DefaultMessageKey.
	MessageKey string `yaml:"message_key"`
	// HistoryKey is the keyword argument with the conversation so far. Empty: it is
	// not sent.
	HistoryKey string `yaml:"history_key"`
	// ReplyPath is the path of the reply's text in an answer that is not a string,
	// in the syntax of github.com/tidwall/gjson. It does not apply to tasks: their
	// result is the whole answer.
	ReplyPath string `yaml:"reply_path"`
	// Timeout bounds a run unless its task states a timeout. The server receives it
	// too. Default: DefaultTimeout.
	Timeout time.Duration `yaml:"timeout"`
	// FirstTokenTimeout bounds the wait for the first piece of a stream, GapTimeout
	// for each further one. Defaults: DefaultFirstTokenTimeout, DefaultGapTimeout.
	FirstTokenTimeout time.Duration `yaml:"first_token_timeout"`
	GapTimeout        time.Duration `yaml:"gap_timeout"`
	// MaxReplyBytes bounds a result. Default: DefaultMaxReplyBytes.
	MaxReplyBytes int `yaml:"max_reply_bytes"`
	// AtMostOnce is for agents that must not run twice: an attempt with an
	// ambiguous result is not retried. Default: false.
	AtMostOnce bool `yaml:"at_most_once"`
	// RetryAgentErrors makes a failure of the agent itself retryable. Default:
	// false, it is final.
	RetryAgentErrors bool `yaml:"retry_agent_errors"`
	// Validate requests the agent's entrypoints before a run, so that the error for
	// an unknown one lists the known ones. Default: true.
	Validate *bool `yaml:"validate"`
	// HTTPClient sends the requests. Default: the package's own.
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

// validate reports all faults, each with its field and remedy.
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
