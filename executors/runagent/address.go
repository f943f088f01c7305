package runagent

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// apiPrefix is put behind every server's address.
const apiPrefix = "/api/v1"

// A base is where the routes of a server begin.
type base struct {
	url  string // without a slash at the end
	host string // for people
}

// parseBase reads an address as RunAgent's own clients do: without a scheme it is
// https, and /api/v1 is added. Its errors do not quote it: it may hold a secret.
func parseBase(s string) (base, error) {
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return base{}, errors.New("is no address of a server: write one like " + DefaultURL)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return base{}, errors.New("contains more than an address: leave out user, query and fragment, and write api_key")
	}
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), apiPrefix) + apiPrefix
	u.RawPath = ""
	return base{url: u.String(), host: u.Host}, nil
}

// localBase is where a local server's routes begin.
func localBase(host string, port int) base {
	// Where a server listens on all addresses, it is reached at this machine's own.
	switch host {
	case "0.0.0.0":
		host = "127.0.0.1"
	case "::", "[::]":
		host = "::1"
	}
	at := net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
	return base{url: "http://" + at + apiPrefix, host: at}
}

// route is the address of an agent's route.
func (b base) route(agent, name string) string {
	return b.url + "/agents/" + url.PathEscape(agent) + "/" + name
}

// webSocket is an address in the words of WebSockets.
func webSocket(s string) string { return "ws" + strings.TrimPrefix(s, "http") }

func checkHost(host string) error {
	if strings.ContainsAny(host, "/?#@%\\ \t\r\n") || strings.Contains(strings.Trim(host, "[]"), "]") ||
		strings.Count(host, ":") == 1 {
		return errors.New("is no name or address of a machine: write one like 127.0.0.1, and the port as port")
	}
	return nil
}

// checkID refuses what would be another route.
func checkID(id string) error {
	if id == "." || id == ".." || id != strings.TrimSpace(id) {
		return errors.New("is no id of an agent: write the one that runagent shows")
	}
	return nil
}
