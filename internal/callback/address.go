package callback

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/settings"
)

// Addresses are a list in YAML, or one text with commas, the form of an environment
// variable.
type Addresses []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (a *Addresses) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return node.Decode((*[]string)(a))
	}
	*a = nil
	for entry := range strings.SplitSeq(node.Value, ",") {
		if entry = strings.TrimSpace(entry); entry != "" && node.Tag != "!!null" {
			*a = append(*a, entry)
		}
	}
	return nil
}

// guard permits the addresses. It reports every fault at once.
func (a Addresses) guard() (*httpclient.Guard, error) {
	var (
		f     settings.Faults
		hosts []string
	)
	guard := &httpclient.Guard{}
	for i, entry := range a {
		host, port, err := net.SplitHostPort(entry)
		n, wrong := strconv.ParseUint(port, 10, 16)
		if err == nil && wrong == nil && n > 0 && host != "" && !strings.ContainsAny(entry, "/ ") {
			hosts = append(hosts, entry)
			continue
		}
		if !guard.AddRange(entry) {
			f.Add(fmt.Sprintf("allow_private[%d]", i), `write "all", a range of addresses such as "10.0.0.0/8", or an address with its port, such as 127.0.0.1:3001`, "is %q", entry)
		}
	}
	guard.Hosts = hosts
	return guard, f.Err()
}

// ReceiverPath is the path of the callback receiver that Pulse comes with.
const ReceiverPath = "/results"

// receivers are the callback receivers that may be called at private addresses too. They
// have connections of their own, so that each request on one has been checked against
// this list.
type receivers struct {
	addresses []string
	client    *http.Client
}

func newReceivers(addresses []string) receivers {
	if len(addresses) == 0 {
		return receivers{}
	}
	guard := &httpclient.Guard{Hosts: addresses, OnlyAllowed: true}
	for _, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		if err == nil && thisMachine(host) {
			for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
				guard.Hosts = append(guard.Hosts, net.JoinHostPort(name, port))
			}
		}
	}
	return receivers{guard.Hosts, httpclient.New(httpclient.Config{Guard: guard, IdleTimeout: idleTimeout, Untraced: true})}
}

// has reports whether the address is exactly that of a receiver.
func (r receivers) has(u *url.URL) bool {
	if u.Scheme != "http" && u.Scheme != "https" || strings.TrimSuffix(u.EscapedPath(), "/") != ReceiverPath {
		return false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	at := net.JoinHostPort(u.Hostname(), port)
	for _, address := range r.addresses {
		if strings.EqualFold(address, at) {
			return true
		}
	}
	return false
}

func thisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// clientFor is the client that may call the address.
func (s *Sender) clientFor(u *url.URL) *http.Client {
	if s.receivers.has(u) {
		return s.receivers.client
	}
	return s.client
}

// private is the error for an address that must not be called.
func private(refused *httpclient.RefusedError) error {
	host, _, err := net.SplitHostPort(refused.Host)
	if err != nil {
		host = refused.Host
	}
	what := fmt.Errorf("callback address %s is private", refused.IP)
	if host != refused.IP.String() {
		what = fmt.Errorf("callback address %s resolves to %s, which is private", host, refused.IP)
	}
	return &conversation.Error{
		Kind: conversation.Invalid, Err: what,
		Remedy: "set callbacks.allow_private, or CALLBACK_ALLOW_PRIVATE where there is no parley.yaml, to permit it",
	}
}

// headerValue is a key in the form of a header.
func headerValue(key string) string {
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return url.QueryEscape(key)
	}
	return key
}
