package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"go.temporal.io/server/common/testing/freeport"
)

// maxPortSteps bounds the search for a next free port.
const maxPortSteps = 1000

var errPortTaken = errors.New("port is in use")

// A reservation is a free address that is locked against other devservers: Temporal
// opens its listeners itself, a moment after the check of the port.
type reservation struct {
	ip    netip.Addr
	port  int
	claim io.Closer
}

// reserve claims address, or with next the first free port from there upwards.
func reserve(address string, next bool) (reservation, error) {
	ip, port, err := parseAddress(address)
	if err != nil {
		return reservation{}, err
	}
	if port == 0 {
		return reservation{ip: ip, port: freeport.MustGetFreePort(), claim: noClaim{}}, nil
	}
	for p := port; p <= 65535 && p < port+maxPortSteps; p++ {
		claim, err := claimPort(ip, p)
		if err == nil {
			return reservation{ip: ip, port: p, claim: claim}, nil
		}
		if !errors.Is(err, errPortTaken) || !next {
			return reservation{}, fmt.Errorf("%s: %w", address, err)
		}
	}
	return reservation{}, fmt.Errorf("%s: no free port from there on", address)
}

func parseAddress(address string) (netip.Addr, int, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("%q is not host:port", address)
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("%q: the host must be an IP address or localhost", address)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("%q: the port must be a number up to 65535", address)
	}
	return ip, int(port), nil
}

// claimPort succeeds if no devserver holds the port and no process listens there.
func claimPort(ip netip.Addr, port int) (io.Closer, error) {
	claim, err := lockPort(port)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", netip.AddrPortFrom(ip, uint16(port)).String())
	if err != nil {
		_ = claim.Close()
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, errPortTaken
		}
		return nil, err
	}
	return claim, l.Close()
}

// dialable is the address for clients on this machine.
func (r reservation) dialable() string {
	ip := r.ip
	switch ip {
	case netip.IPv4Unspecified():
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case netip.IPv6Unspecified():
		ip = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(ip, uint16(r.port)).String()
}

// noClaim is the claim of a port without a lock.
type noClaim struct{}

func (noClaim) Close() error { return nil }
