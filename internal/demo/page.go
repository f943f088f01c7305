package demo

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/ui"
)

// operatorName is recorded with what is done on the demo's page.
const operatorName = "demo"

// A page is the running web page of all conversations.
type page struct {
	URL    string // with its token
	cancel context.CancelFunc
	group  *errgroup.Group
}

// startPage serves the page until stop.
func startPage(ctx context.Context, o *operate.Operator) (*page, error) {
	live := &records.Live{Reader: o.Reader}
	server, err := ui.Listen(ctx, ui.Config{Source: live, Actor: o, Operator: operatorName, Where: o.Address + " · " + o.Namespace})
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { live.Run(ctx); return nil })
	group.Go(func() error { return server.Serve(ctx) })
	return &page{URL: server.URL(), cancel: cancel, group: group}, nil
}

func (p *page) stop() error {
	p.cancel()
	if err := p.group.Wait(); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}
