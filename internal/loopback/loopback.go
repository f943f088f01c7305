// Package loopback protects servers on this machine from web pages. A page can make its
// own name resolve to 127.0.0.1 after it has loaded; its requests then carry that name
// as their Host.
package loopback

import (
	"net"
	"net/http"
	"strings"
)

// Guard refuses, with 421, requests that arrive at a loopback address under a name that
// could belong to a web page. Addresses, names without a dot, and names below .localhost
// and .internal pass, and so does every request at another address.
func Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if arrivedAtLoopback(r) && !harmless(r.Host) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusMisdirectedRequest)
			_, _ = w.Write([]byte("This server listens on a loopback address: call it by that address or as localhost.\n"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func arrivedAtLoopback(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// harmless is whether no web page on the internet can have the host's name.
func harmless(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	return net.ParseIP(host) != nil || !strings.Contains(host, ".") ||
		strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".internal")
}
