package runagent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/settings"
)

// allHosts is the entry of agent_hosts that allows every address.
const allHosts = "all"

// agentHosts are the addresses of agents that a task may name, besides those that
// the executor uses by default.
type agentHosts struct {
	all      bool
	named    []hostPort
	prefixes []netip.Prefix
}

// A hostPort is one address. Port 0 means every port.
type hostPort struct {
	host string
	port int
}

// parseAgentHosts reads "host", "host:port", a range of addresses, or "all". It
// reports all faults at once.
func parseAgentHosts(entries []string) (agentHosts, error) {
	var out agentHosts
	var errs []error
	for i, entry := range entries {
		switch prefix, err := netip.ParsePrefix(entry); {
		case entry == allHosts:
			out.all = true
		case err == nil:
			out.prefixes = append(out.prefixes, prefix.Masked())
		default:
			at, ok := parseHostPort(entry)
			if !ok {
				errs = append(errs, settings.Fault(fmt.Sprintf("agent_hosts[%d]", i), "write agents.internal, 10.0.0.7:8450, a range such as 10.0.0.0/8, or all", "is %q, which is no address", entry))
				continue
			}
			out.named = append(out.named, at)
		}
	}
	return out, errors.Join(errs...)
}

func parseHostPort(entry string) (hostPort, bool) {
	at := hostPort{host: strings.Trim(entry, "[]")}
	if host, port, err := net.SplitHostPort(entry); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return hostPort{}, false
		}
		at = hostPort{host, n}
	}
	return at, at.host != "" && checkHost(at.host) == nil
}

// has reports whether the list contains the address, by name or, for an IP address,
// by range.
func (h agentHosts) has(host string, port int) bool {
	if h.all || slices.ContainsFunc(h.named, func(n hostPort) bool {
		return sameHost(n.host, host) && (n.port == 0 || n.port == port)
	}) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(h.prefixes, func(p netip.Prefix) bool { return p.Contains(ip.Unmap()) })
}

// sameHost compares names without case, and IP addresses by value.
func sameHost(a, b string) bool {
	ipA, errA := netip.ParseAddr(a)
	ipB, errB := netip.ParseAddr(b)
	if errA == nil && errB == nil {
		return ipA.Unmap() == ipB.Unmap()
	}
	return strings.EqualFold(a, b)
}

// thisMachine reports whether a host can only be this machine.
func thisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return strings.EqualFold(host, "localhost")
	}
	return ip.Unmap().IsLoopback() || ip.IsUnspecified()
}

// admit returns the client for an address that a task names. Without an entry in
// agent_hosts it allows those that the executor uses by default: the configured
// host and port, by default this machine's RunAgent port, and the entries of
// RunAgent's registry for this machine.
func (c *call) admit(ctx context.Context, host string, port int) (*http.Client, error) {
	host = strings.Trim(host, "[]")
	switch {
	case c.hosts.has(host, port), c.ownAddress(host, port), thisMachine(host) && c.registeredHere(ctx, port):
		return c.Executor.client, nil
	case c.ranged != nil && !isAddress(host):
		return c.ranged, nil // the client checks the address that the name resolves to
	}
	return nil, c.notAllowed(net.JoinHostPort(host, strconv.Itoa(port)))
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func (c *call) ownAddress(host string, port int) bool {
	own := cmp.Or(c.cfg.Host, DefaultHost)
	if port != cmp.Or(c.cfg.Port, DefaultPort) {
		return false
	}
	return sameHost(strings.Trim(own, "[]"), host) || thisMachine(own) && thisMachine(host)
}

// registeredHere reports whether an agent of this machine is registered at the
// port.
func (c *call) registeredHere(ctx context.Context, port int) bool {
	agents, err := c.registered(ctx)
	return err == nil && slices.ContainsFunc(agents, func(a localAgent) bool {
		return a.Port == port && thisMachine(cmp.Or(a.Host, DefaultHost))
	})
}

func (c *call) notAllowed(at string) error {
	return &conversation.Error{
		Kind: conversation.Invalid, Op: "runagent: run an agent",
		Err:    fmt.Errorf("agent_host and agent_port of the task name %s, which is not among the allowed addresses", at),
		Remedy: "add it to agent_hosts of the executor if tasks may send runs there",
	}
}

// refusedAddress rewrites the guard's error to name the setting.
func (c *call) refusedAddress(err error) error {
	var refused *httpclient.RefusedError
	if !errors.As(err, &refused) {
		return nil
	}
	return c.notAllowed(fmt.Sprintf("%s (%s)", refused.Host, refused.IP))
}
