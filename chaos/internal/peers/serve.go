package peers

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/parley-run/parley/chaos/internal/account"
)

// Serve runs the peer of that name, model or tools, until ctx is done.
func Serve(ctx context.Context, name, addr, path string) error {
	to, err := account.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	var handler http.Handler
	switch name {
	case "model":
		handler = Model(to)
	case "tools":
		handler = Tools(to)
	default:
		return fmt.Errorf("peers: no peer is called %q", name)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("peers: %s: %w", name, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 30 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("peers: %s: %w", name, err)
	}
	return nil
}
