package localstack

import (
	"cmp"
	"io"
	"net"
	"strconv"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/internal/localstack/build"
)

// Default ports, those of the Temporal CLI.
const (
	DefaultPort   = 7233
	DefaultUIPort = 8233
)

// AnyPort lets the operating system choose.
const AnyPort = -1

// Options describes the server. The zero value is a server in memory on the default
// port, or the next free one, without a UI.
type Options struct {
	// Address, if not empty, is a running server to use as it is. Start starts nothing,
	// and Close does not stop it.
	Address string
	// Dial connects to the server at Address. Nil: without TLS or credentials.
	Dial func(client.Options) (client.Client, error)

	// Namespace to work in. Empty: "default".
	Namespace string
	// SearchAttributes are registered on the namespace of a server started here.
	SearchAttributes []temporal.SearchAttributeKey

	// Port is the server's, UIPort its UI's. Zero: 7233 and 8233. If a port is in use,
	// the next free one is taken. AnyPort: any.
	Port   int
	UIPort int
	// UI starts the web UI too.
	UI bool
	// DBFile keeps the server's state in a SQLite file. Empty: in memory.
	DBFile string

	// NoTemporalCLI ignores a temporal command on PATH.
	NoTemporalCLI bool
	// Binary is a prebuilt devserver. Empty: find or build one.
	Binary string
	// SourceDir and CacheDir are as in build.Cache.
	SourceDir string
	CacheDir  string

	// OnProgress receives the progress, one call at a time. Nil: none.
	OnProgress func(build.Progress)
	// Stderr receives the server's stderr. Nil: only its end is kept, for error messages.
	Stderr io.Writer

	grace time.Duration // zero: stopTimeout
}

func (o Options) withDefaults() Options {
	o.Namespace = cmp.Or(o.Namespace, "default")
	o.Port = cmp.Or(o.Port, DefaultPort)
	o.UIPort = cmp.Or(o.UIPort, DefaultUIPort)
	o.grace = cmp.Or(o.grace, stopTimeout)
	if o.Dial == nil {
		o.Dial = client.Dial
	}
	if o.OnProgress == nil {
		o.OnProgress = func(build.Progress) {}
	}
	if o.Stderr == nil {
		o.Stderr = io.Discard
	}
	return o
}

func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(max(port, 0)))
}
