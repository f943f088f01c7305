package mcp

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/program"
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

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// ownHeaders are those that the protocol needs for itself.
var ownHeaders = []string{"Accept", "Content-Type", "Content-Length", "Host", "Mcp-Session-Id", "Mcp-Protocol-Version", "Last-Event-Id"}

// validate reports every fault, each with its key and what would be right.
func (c Config) validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch local, remote := len(c.Command) > 0, c.URL != ""; {
	case local && remote:
		add("url is given, and command too: give one of the two")
	case !local && !remote:
		add("command is empty: write the program and its arguments as a list, such as [npx, -y, some-server], or give url")
	case local:
		c.validateProgram(add)
	default:
		c.validateServer(add)
	}
	if c.ConnectTimeout < 0 {
		add("connect_timeout is %v: write more than 0, or leave it out", c.ConnectTimeout)
	}
	// Maps are walked in any order; the report has one.
	slices.SortStableFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func (c Config) validateProgram(add func(string, ...any)) {
	switch name := c.Command[0]; {
	case strings.TrimSpace(name) == "":
		add("command begins with an empty part: write the program's name first")
	case program.IsShellLine(c.Command):
		add("command: %q looks like a line for a shell, and there is none: write a list, such as [npx, -y, some-server]", name)
	}
	program.Validate(c.Command, c.Env, add)
	if len(c.Headers) > 0 {
		add("headers are for a server with a url: a program gets env")
	}
}

// validateServer does not quote the URL: it may hold a secret.
func (c Config) validateServer(add func(string, ...any)) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		add("url is no address of a server: write one like http://localhost:8000/mcp")
	case u.User != nil:
		add("url contains a user name or password: use headers, with Authorization: Basic …")
	case u.Fragment != "":
		add("url contains a fragment (#): leave it out")
	}
	for name, value := range c.Headers {
		isOwn := func(own string) bool { return strings.EqualFold(own, name) }
		switch {
		case !headerName.MatchString(name):
			add("headers: %q is no name of a header", name)
		case slices.ContainsFunc(ownHeaders, isOwn):
			add("headers: %s cannot be set here", name)
		case strings.ContainsFunc(value.Reveal(), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			add("headers: the value of %s contains a line break or a character no header can carry", name)
		}
	}
	if c.Dir != "" {
		add("dir is for a program: leave it out where there is a url")
	}
	if len(c.Env) > 0 {
		add("env is for a program: leave it out where there is a url")
	}
}
