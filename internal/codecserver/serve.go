package codecserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

// DefaultAddress is beside the web interface of a local server, on this machine only.
const DefaultAddress = "127.0.0.1:8234"

// Listen is where a server listens.
type Listen struct {
	Address string
	// CertFile and KeyFile switch TLS on. They are read for each connection, so that
	// certificates are renewed without a restart.
	CertFile, KeyFile string
	// Ready hears the address.
	Ready func(url string)
}

// Serve serves the handler until ctx is done.
func Serve(ctx context.Context, l Listen, handler http.Handler) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", l.Address)
	if err != nil {
		return fmt.Errorf("codec server: listen at %q: %w (choose another with --listen)", l.Address, err)
	}
	scheme := "http"
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	if l.CertFile != "" {
		scheme = "https"
		load := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(l.CertFile, l.KeyFile)
			return &pair, err
		}
		if _, err := load(nil); err != nil {
			_ = listener.Close()
			return fmt.Errorf("codec server: certificate: %w", err)
		}
		listener = tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: load, NextProtos: []string{"http/1.1"}})
	}
	l.Ready(scheme + "://" + listener.Addr().String())
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("codec server: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("codec server: %w", err)
	}
	return nil
}

// IsLoopback reports whether only this machine reaches the address.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// IsOrigin reports whether the text is what a browser sends as the origin of a page.
func IsOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Scheme+"://"+u.Host == text
}
