package mcp

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/program"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// DefaultConnectTimeout bounds the wait for a server to start and to introduce
// itself. It is long because some servers are downloaded when they first start.
const DefaultConnectTimeout = 30 * time.Second

// Config says which server to use: a program or an address.
type Config struct {
	// Command is the program and its arguments, each as it is: no shell sees
	// them. Either Command or URL is required.
	Command []string `yaml:"command"`
	// Dir is where the program runs; a relative path in Command starts there.
	// Default: where the worker runs.
	Dir string `yaml:"dir"`
	// Env are variables for the program. Their values are treated as secrets. Of
	// the worker's own environment it sees those of package
	// program that every program sees, such as PATH and HOME, and no others.
	Env map[string]secret.String `yaml:"env"`
	// URL is the address of a server that speaks streamable HTTP.
	URL string `yaml:"url"`
	// Headers are sent with every request to URL, such as Authorization.
	Headers map[string]secret.String `yaml:"headers"`
	// ConnectTimeout bounds the start of the program, or the way to the server,
	// and the introduction. Default: DefaultConnectTimeout.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`

	// Name is what the set is called in errors and in the log. Default: the
	// program's name or the server's host.
	Name string `yaml:"-"`
	// Version of Parley, for the server to know. Default: none.
	Version string `yaml:"-"`
	// LookupEnv looks up the variables to pass on. Default: os.LookupEnv.
	LookupEnv func(string) (string, bool) `yaml:"-"`
	// HTTPClient sends the requests. Default: one of our own.
	HTTPClient *http.Client `yaml:"-"`
	// Logger gets what the program writes to its standard error. Default: nobody.
	Logger *slog.Logger `yaml:"-"`
}

func (c Config) withDefaults() Config {
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, DefaultConnectTimeout)
	c.Command = slices.Clone(c.Command)
	if c.LookupEnv == nil {
		c.LookupEnv = os.LookupEnv
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Name == "" && c.URL != "" {
		if u, err := url.Parse(c.URL); err == nil {
			c.Name = u.Host
		}
	}
	if c.Name == "" && len(c.Command) > 0 {
		c.Name = filepath.Base(c.Command[0])
	}
	return c
}

// ownHeaders are those that the protocol needs for itself.
var ownHeaders = []string{"Accept", "Content-Type", "Content-Length", "Host", "Mcp-Session-Id", "Mcp-Protocol-Version", "Last-Event-Id"}

// validate reports every fault, each with its key and what would be right.
func (c Config) validate() error {
	var f settings.Faults
	switch local, remote := len(c.Command) > 0, c.URL != ""; {
	case local && remote:
		f.Add("url", "give one of the two", "is given, and command too")
	case !local && !remote:
		f.Add("command", "write the program and its arguments as a list, such as [npx, -y, some-server], or give url", "is empty")
	case local:
		c.validateProgram(&f)
	default:
		c.validateServer(&f)
	}
	f.Duration("connect_timeout", c.ConnectTimeout)
	return f.Err()
}

func (c Config) validateProgram(f *settings.Faults) {
	switch name := c.Command[0]; {
	case strings.TrimSpace(name) == "":
		f.Add("command[0]", "write the program's name first", "is empty")
	case program.IsShellLine(c.Command):
		f.Add("command", "write a list, such as [npx, -y, some-server]", "is %q, which looks like a line for a shell, and there is none", name)
	}
	program.Validate(c.Command, c.Env, f)
	if len(c.Headers) > 0 {
		f.Add("headers", "a program gets env", "is for a server with a url")
	}
}

// validateServer does not quote the URL: it may hold a secret.
func (c Config) validateServer(f *settings.Faults) {
	f.Server("url", c.URL, "http://localhost:8000/mcp")
	f.Headers(c.Headers, "", "")
	f.Reserved(c.Headers, ownHeaders...)
	if c.Dir != "" {
		f.Add("dir", "leave it out where there is a url", "is for a program")
	}
	if len(c.Env) > 0 {
		f.Add("env", "leave it out where there is a url", "is for a program")
	}
}
