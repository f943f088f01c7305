package command

import (
	"context"
	"io"

	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/tracing/export"
	"github.com/parley-run/parley/internal/version"
)

// traced adds the spans that OpenTelemetry's variables ask for, if they do. stop exports
// what is left; it is called when the process is over.
func traced(
	ctx context.Context, s process.Settings, lookup func(string) (string, bool), console io.Writer,
) (settings process.Settings, stop func(), err error) {
	provider, err := export.FromEnvironment(ctx, export.Options{
		Lookup: lookup, Service: "parley-worker", Version: version.String(), Logger: s.Logger, Console: console,
	})
	if err != nil || provider == nil {
		return s, func() {}, err
	}
	s.Tracers, s.TracedText = provider, provider.Text()
	return s, provider.Close, nil
}
