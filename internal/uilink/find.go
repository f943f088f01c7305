package uilink

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/parley-run/parley/internal/httpclient"
)

const (
	// local is how far a web interface's port is above its server's where both run on one
	// machine by default: with Temporal's command line, the demo and docker-compose.yml.
	local = 1000
	// patience is long for a server on this machine, and short for a person who waits.
	patience = 500 * time.Millisecond
	// maxSettings bounds what is read of an answer.
	maxSettings = 1 << 20
)

// Find is the web interface of the Temporal server at an address, "host:port", as far as
// that can be known: Temporal Cloud's, or one that answers on this machine beside a server on
// this machine. Empty: none was found.
func Find(ctx context.Context, server string) string {
	if base := Cloud(server); base != "" {
		return base
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil || !httpclient.OnThisMachine(host) {
		return ""
	}
	number, err := strconv.Atoi(port)
	if err != nil || number <= 0 || number+local > 65535 {
		return ""
	}
	base := "http://" + net.JoinHostPort(host, strconv.Itoa(number+local))
	if !isWebInterface(ctx, base) {
		return ""
	}
	return base
}

// isWebInterface asks for the settings that only Temporal's web interface has.
func isWebInterface(ctx context.Context, base string) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/settings", nil)
	if err != nil {
		return false
	}
	client := httpclient.New(httpclient.Config{})
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }()
	var settings struct {
		DefaultNamespace *string
		Codec            *json.RawMessage
	}
	err = json.NewDecoder(io.LimitReader(res.Body, maxSettings)).Decode(&settings)
	return err == nil && res.StatusCode == http.StatusOK && settings.DefaultNamespace != nil && settings.Codec != nil
}
