package httpclient

import (
	"net"
	"net/url"
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

// Unencrypted is the host of an address on another machine to which requests go without
// encryption. Empty: they do not leave this machine, are encrypted, or it is no address.
func Unencrypted(address string) (host string) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || !strings.EqualFold(u.Scheme, "http") && !strings.EqualFold(u.Scheme, "ws") || OnThisMachine(u.Hostname()) {
		return ""
	}
	return u.Host
}
