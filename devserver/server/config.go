package server

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/searchattribute/sadefs"
)

// A Config configures the server. The zero value of every field except FrontendAddress
// and Namespaces is valid.
type Config struct {
	// FrontendAddress is the host:port of the gRPC API. Port 0 takes any free
	// port; an empty host means 127.0.0.1.
	FrontendAddress string
	// UIAddress is the host:port of the web UI, with the same rules. Empty: no UI.
	UIAddress string
	// NextFreePort lets an address whose port is in use take the next free one.
	NextFreePort bool
	// DBFile is the SQLite file that keeps the state. Empty: memory.
	DBFile string
	// Namespaces are registered if they do not exist yet. The first is the UI's default.
	Namespaces []string
	// SearchAttributes are the custom search attributes of every namespace.
	SearchAttributes map[string]enumspb.IndexedValueType
	// DynamicConfig holds settings of the Temporal server, over this package's own.
	DynamicConfig DynamicConfig
	// UICodecEndpoint is the codec server that decodes payloads for the UI. Empty: none.
	UICodecEndpoint string
	// Logger receives the Temporal server's log. Nil: none.
	Logger *slog.Logger
}

func (c Config) validate() error {
	var errs []error
	if c.FrontendAddress == "" {
		errs = append(errs, errors.New("the frontend needs an address"))
	}
	if len(c.Namespaces) == 0 || slices.Contains(c.Namespaces, "") {
		errs = append(errs, errors.New("a namespace needs a name, and there must be one at least"))
	}
	for name, kind := range c.SearchAttributes {
		if name == "" || kind == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
			errs = append(errs, fmt.Errorf("search attribute %q of type %s: both must be given", name, kind))
		}
		if sadefs.IsReserved(name) {
			errs = append(errs, fmt.Errorf("search attribute %q: Temporal reserves this name", name))
		}
	}
	return errors.Join(errs...)
}
