package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/pflag"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/parley-run/parley/devserver/server"
)

const help = `Usage: devserver [flags]

Runs a Temporal server and its web UI in one process, on SQLite, for
demonstrations and tests. When everything answers it prints one line of JSON:

    $ devserver --search-attribute Platform=Keyword --next-free-port
    {"address":"127.0.0.1:7233","ui_url":"http://127.0.0.1:8233","namespace":"default","pid":4711}

Logs go to stderr. Ctrl-C or SIGTERM stops it.

Where it listens (anyone who can connect can do anything: keep to loopback)
  --frontend-address host:port  gRPC address of the server (127.0.0.1:7233); port 0 takes any
  --ui-address host:port        address of the web UI (127.0.0.1:8233); "" for none
  --next-free-port              if a port is taken, use the next free one

What it holds
  --db-file path                SQLite file that keeps everything; "" for memory
  --namespace name              namespace to register (default); repeat for more, first is main
  --search-attribute name=type  custom search attribute, for every namespace; repeat for more
                                (Keyword, KeywordList, Text, Int, Double, Bool, Datetime)
  --dynamic-config key=value    setting of the Temporal server, value in JSON; repeat for more
                                (--dynamic-config history.maxTotalUpdates=5000)
  --ui-codec-endpoint url       codec server the UI asks to decode payloads

How it runs
  --exit-with-stdin             stop when stdin ends, so that it never outlives its parent
  --log-level level             debug, info, warn or error (warn)
  --version                     print versions and exit
  --help                        print this and exit
`

// options are the parsed command line.
type options struct {
	server        server.Config
	exitWithStdin bool
	logLevel      slog.Level
	version       bool

	// As written.
	attributes, settings []string
	level                string
}

// A usageError is an invalid command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func newFlags(o *options) *pflag.FlagSet {
	f := pflag.NewFlagSet("devserver", pflag.ContinueOnError)
	f.Usage = func() {} // run prints the help
	f.StringVar(&o.server.FrontendAddress, "frontend-address", "127.0.0.1:7233", "")
	f.StringVar(&o.server.UIAddress, "ui-address", "127.0.0.1:8233", "")
	f.BoolVar(&o.server.NextFreePort, "next-free-port", false, "")
	f.StringVar(&o.server.DBFile, "db-file", "", "")
	f.StringArrayVar(&o.server.Namespaces, "namespace", []string{"default"}, "")
	f.StringArrayVar(&o.attributes, "search-attribute", nil, "")
	f.StringArrayVar(&o.settings, "dynamic-config", nil, "")
	f.StringVar(&o.server.UICodecEndpoint, "ui-codec-endpoint", "", "")
	f.BoolVar(&o.exitWithStdin, "exit-with-stdin", false, "")
	f.StringVar(&o.level, "log-level", "warn", "")
	f.BoolVar(&o.version, "version", false, "")
	return f
}

func parseFlags(args []string) (options, error) {
	var o options
	f := newFlags(&o)
	if err := f.Parse(args); err != nil {
		return options{}, usageError{err}
	}
	var errs []error
	if f.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", f.Arg(0)))
	}
	if err := o.logLevel.UnmarshalText([]byte(o.level)); err != nil {
		errs = append(errs, fmt.Errorf("--log-level %q: want debug, info, warn or error", o.level))
	}
	var err error
	if o.server.SearchAttributes, err = parseSearchAttributes(o.attributes); err != nil {
		errs = append(errs, err)
	}
	if o.server.DynamicConfig, err = parseDynamicConfig(o.settings); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return options{}, usageError{err}
	}
	return o, nil
}

func parseSearchAttributes(args []string) (map[string]enumspb.IndexedValueType, error) {
	attributes := make(map[string]enumspb.IndexedValueType, len(args))
	for _, arg := range args {
		name, typeName, _ := strings.Cut(arg, "=")
		kind, err := enumspb.IndexedValueTypeFromString(typeName)
		if err != nil || name == "" || kind == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
			return nil, fmt.Errorf("--search-attribute %q: want name=type, with type one of "+
				"Keyword, KeywordList, Text, Int, Double, Bool, Datetime", arg)
		}
		if previous, ok := attributes[name]; ok && previous != kind {
			return nil, fmt.Errorf("--search-attribute %q: given before as %s", arg, previous)
		}
		attributes[name] = kind
	}
	return attributes, nil
}

func parseDynamicConfig(args []string) (server.DynamicConfig, error) {
	settings := make(server.DynamicConfig, len(args))
	for _, arg := range args {
		key, value, found := strings.Cut(arg, "=")
		if !found {
			return nil, fmt.Errorf("--dynamic-config %q: want key=value", arg)
		}
		if err := server.SetDynamicConfig(settings, key, value); err != nil {
			return nil, fmt.Errorf("--dynamic-config %q: %w", arg, err)
		}
	}
	return settings, nil
}
