package httpclient

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A Guard says which addresses may be connected to. The zero Guard allows every public
// one. It checks the resolved address at the moment of connecting: a second lookup of
// the name could return another.
type Guard struct {
	// AllowAll allows every address.
	AllowAll bool
	// Allow are ranges that are allowed although they are private, local or of this
	// network.
	Allow []netip.Prefix
	// Hosts are allowed whatever they resolve to: "agents.internal", on any port, or
	// "localhost:8450". They are compared without case.
	Hosts []string
	// OnlyAllowed refuses public addresses too, unless Allow or Hosts has them.
	OnlyAllowed bool
}

// A RefusedError is an address that the guard does not allow. Nothing was sent.
type RefusedError struct {
	// Host is the target, as "name:port".
	Host string
	// IP is the resolved address.
	IP netip.Addr
	// Private means that the address is not public; otherwise it is not on the list.
	Private bool
}

func (e *RefusedError) Error() string {
	if e.Private {
		return fmt.Sprintf("address %s is private", e.IP)
	}
	return fmt.Sprintf("address %s is not on the list of allowed ones", e.IP)
}

// AddRange allows a range of addresses such as "10.0.0.0/8", or "all". It reports
// whether the text is one of the two.
func (g *Guard) AddRange(text string) bool {
	if text == "all" {
		g.AllowAll = true
		return true
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return false
	}
	g.Allow = append(g.Allow, prefix.Masked())
	return true
}

// Check returns nil if the address may be connected to, and else a [RefusedError]. Host
// is the "name:port" that resolved to it.
func (g *Guard) Check(host string, ip netip.Addr) error {
	public := Public(ip)
	plain := ip.Unmap().WithZone("")
	switch {
	case g.AllowAll, g.allowsHost(host), public && !g.OnlyAllowed:
		return nil
	case slices.ContainsFunc(g.Allow, func(p netip.Prefix) bool { return p.Contains(plain) }):
		return nil
	}
	return &RefusedError{Host: host, IP: ip, Private: !public}
}

func (g *Guard) allowsHost(address string) bool {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	name = strings.TrimSuffix(name, ".")
	return slices.ContainsFunc(g.Hosts, func(h string) bool {
		return strings.EqualFold(h, name) || strings.EqualFold(h, address)
	})
}

// dial connects to allowed addresses only.
func (g *Guard) dial(timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, host string) (net.Conn, error) {
		d := &net.Dialer{Timeout: timeout, Control: func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("the address %q cannot be checked: %w", address, err)
			}
			return g.Check(host, at.Addr())
		}}
		return d.DialContext(ctx, network, host)
	}
}

// notPublic are ranges that netip does not classify: shared address space, protocol
// assignments, documentation, benchmarks, reserved; and IPv6 that embeds IPv4.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("3fff::/20"),
}

// Public reports whether the address is one of the public internet's: not private, of
// this machine, of the local network, multicast, or reserved.
func Public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return ip.IsGlobalUnicast() && !ip.IsPrivate() &&
		!slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(ip) })
}
