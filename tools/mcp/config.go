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

// DefaultConnectTimeout bounds the start and introduction of a server. It is long
// because some servers are downloaded at their first start.
const DefaultConnectTimeout = 30 * time.Second

// Config names the server: a program or an address.
type Config struct {
	// Command is the program and its arguments, passed unchanged: no shell is
	// involved. Either Command or URL is required.
	Command []string `yaml:"command"`
	// Dir is the program's working directory; a relative path in Command is
	// relative to it. Default: the worker's.
	Dir string `yaml:"dir"`
	// Env are variables for the program. Their values are treated as secrets. Of
	// the worker's environment it receives only those of package program that every
	// program receives, such as PATH and HOME.
	Env map[string]secret.String `yaml:"env"`
	// URL is the address of a server with streamable HTTP.
	URL string `yaml:"url"`
	// Headers are sent with every request to URL, such as Authorization.
	Headers map[string]secret.String `yaml:"headers"`
	// ConnectTimeout bounds the start of the program or the connection to the
	// server, and the introduction. Default: DefaultConnectTimeout.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`

	// Name is the name of the set in errors and logs. Default: the program's name
	// or the server's host.
	Name string `yaml:"-"`
	// Version of Parley, sent to the server. Default: none.
	Version string `yaml:"-"`
	// LookupEnv looks up the variables to pass on. Default: os.LookupEnv.
	LookupEnv func(string) (string, bool) `yaml:"-"`
	// HTTPClient sends the requests. Default: the package's own.
	HTTPClient *http.Client `yaml:"-"`
	// Logger receives what the program writes to its standard error. Default:
	// silent.
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

// ownHeaders are set by the protocol.
var ownHeaders = []string{"Accept", "Content-Type", "Content-Length", "Host", "Mcp-Session-Id", "Mcp-Protocol-Version", "Last-Event-Id"}

// validate reports all faults, each with its field and remedy.
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

// validateServer does not repeat the URL: it may hold a secret.
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
