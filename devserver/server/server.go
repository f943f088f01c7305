package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/temporal"
)

// tidyTimeout bounds the checkpoint of a database file after the stop.
const tidyTimeout = time.Second

// A Server is running and ready.
type Server struct {
	// Address is the gRPC API's address for a client on this machine.
	Address string
	// UIURL is the web UI's address, empty without one.
	UIURL string

	temporal temporal.Server
	ui       *uiserver.Server
	db       *config.SQL
	kept     *sql.DB // see keepOpen
	claims   []reservation
	stop     sync.Once
}

// Start returns a server that is ready, or an error. After an error, started parts may
// run on: the caller is expected to end the process.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{}
	if err := s.start(ctx, cfg); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, cfg Config) error {
	// Both ports before any work, so that a port in use is reported at once.
	frontend, err := s.claim(cfg.FrontendAddress, cfg.NextFreePort)
	if err != nil {
		return fmt.Errorf("frontend address %w", err)
	}
	var ui reservation
	if cfg.UIAddress != "" {
		if ui, err = s.claim(cfg.UIAddress, cfg.NextFreePort); err != nil {
			return fmt.Errorf("ui address %w", err)
		}
	}
	if s.db, err = sqlConfig(cfg.DBFile); err != nil {
		return err
	}
	if s.kept, err = keepOpen(s.db); err != nil {
		return err
	}
	if err := prepareDatabase(s.db, clusterName, cfg.Namespaces, cfg.SearchAttributes); err != nil {
		return err
	}
	if err := s.startTemporal(ctx, frontend, cfg); err != nil {
		return err
	}
	if cfg.UIAddress != "" {
		return s.startUI(ctx, ui, cfg)
	}
	return nil
}

func (s *Server) startTemporal(ctx context.Context, at reservation, cfg Config) error {
	var err error
	s.temporal, err = newTemporal(at, s.db, cfg.DynamicConfig, temporalLogger{out: cfg.Logger})
	if err != nil {
		return err
	}
	if err := await(ctx, s.temporal.Start); err != nil {
		return err
	}
	s.Address = at.dialable()
	return frontendReady(ctx, s.Address, cfg)
}

// startUI comes after Temporal: the UI connects as soon as it exists, and waits
// a second before a second attempt.
func (s *Server) startUI(ctx context.Context, at reservation, cfg Config) error {
	s.ui = newUI(at, s.Address, cfg.Namespaces[0], cfg.UICodecEndpoint)
	//lint:ignore errcheck it ends the process if it cannot listen, and otherwise returns nil
	go s.ui.Start()
	s.UIURL = "http://" + at.dialable()
	return uiReady(ctx, s.UIURL, cfg.Namespaces[0])
}

func (s *Server) claim(address string, next bool) (reservation, error) {
	r, err := reserve(address, next)
	if err == nil {
		s.claims = append(s.claims, r)
	}
	return r, err
}

func (s *Server) release() {
	for _, r := range s.claims {
		_ = r.claim.Close()
	}
	if s.kept != nil {
		_ = s.kept.Close()
	}
}

// Stop stops the UI and the server. Polling clients have a moment, which ctx may cut
// short: every acknowledged change is in the database already.
func (s *Server) Stop(ctx context.Context) error {
	var err error
	s.stop.Do(func() {
		if s.ui != nil {
			s.ui.Stop()
		}
		err = await(ctx, s.temporal.Stop)
		tidyCtx, cancel := context.WithTimeout(context.Background(), tidyTimeout)
		defer cancel()
		err = errors.Join(err, await(tidyCtx, func() error { return checkpoint(s.db) }))
		s.release()
	})
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// await returns the result of f, or ctx's error if that comes first.
func await(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
