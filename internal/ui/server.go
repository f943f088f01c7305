package ui

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/parley-run/parley/internal/loopback"
)

// Config describes a server.
type Config struct {
	Source Source
	// Actor acts for the operator. Nil: the pages are for reading only.
	Actor Actor
	// Operator is recorded with what the actor does.
	Operator string
	// Where names the Temporal server, for readers.
	Where string
	// Port is that of the loopback address. Zero: any that is free.
	Port int
	// ActTimeout bounds one act. Zero: 30 seconds.
	ActTimeout time.Duration
}

// A Server serves the pages at a loopback address.
type Server struct {
	config   Config
	site     *site
	token    string // in the address that is given out
	session  string // in the cookie
	listener net.Listener
	streams  chan struct{} // one for each page that follows changes
	stopping chan struct{} // closed when the server stops
}

// maxStreams bounds the pages that follow changes at the same time.
const maxStreams = 64

// Listen makes a server and opens its port. Serve must follow, or Close.
func Listen(ctx context.Context, c Config) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)))
	if err != nil {
		return nil, fmt.Errorf("ui: listen at port %d: %w (choose another with --port; 0 takes any)", c.Port, err)
	}
	s := newServer(c)
	s.listener = l
	return s, nil
}

func newServer(c Config) *Server {
	if c.ActTimeout == 0 {
		c.ActTimeout = 30 * time.Second
	}
	return &Server{
		config: c, token: rand.Text(), session: rand.Text(),
		site:    &site{links: links{root: "/"}, source: c.Source, where: c.Where, live: true, acts: c.Actor != nil, csrf: rand.Text(), library: newLibrary(c.Source)},
		streams: make(chan struct{}, maxStreams), stopping: make(chan struct{}),
	}
}

// URL is the address to open, with its token.
func (s *Server) URL() string {
	return "http://" + s.listener.Addr().String() + "/?" + url.Values{"token": {s.token}}.Encode()
}

// Close closes the port of a server that does not serve.
func (s *Server) Close() error { return s.listener.Close() }

// Serve serves until ctx is done.
func (s *Server) Serve(ctx context.Context) error {
	server := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(s.listener) }()
	var reading sync.WaitGroup
	defer reading.Wait()
	background, cancelReading := context.WithCancel(ctx)
	defer cancelReading()
	reading.Go(func() { s.site.library.run(background) })
	select {
	case err := <-done:
		return fmt.Errorf("ui: %w", err)
	case <-ctx.Done():
	}
	close(s.stopping) // pages that follow changes would keep their connections
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("ui: %w", err)
	}
	return nil
}

// Handler is the server's handler, with its protection.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	static, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // embedded
	}
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("POST /act", s.act)
	mux.HandleFunc("GET /", s.page)
	return loopback.Guard(headers(s.admit(http.NewCrossOriginProtection().Handler(mux))))
}

// page serves a page.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	v, err := s.site.view(r.Context(), r.URL.Path, r.URL.Query())
	if err != nil {
		v, err = s.site.faultView(err)
	}
	var body []byte
	if err == nil {
		body, err = v.render()
	}
	if err != nil {
		http.Error(w, "The page cannot be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if v.Status != 0 {
		w.WriteHeader(v.Status)
	}
	_, _ = w.Write(body)
}
