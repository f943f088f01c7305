package httpclient

import (
	"net"
	"strings"
)

// OnThisMachine reports whether a host is a loopback address or a name for one: what is
// sent there does not leave the machine.
func OnThisMachine(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost")
}
