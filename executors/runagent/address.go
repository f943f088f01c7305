package runagent

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-run/parley/internal/printable"
)

// apiPrefix is appended to every server's address.
const apiPrefix = "/api/v1"

// A base is the common part of a server's routes.
type base struct {
	url  string // without a slash at the end
	host string // for errors
}

// parseBase reads an address as RunAgent's own clients do: without a scheme it is
// https, and /api/v1 is appended. Its errors do not repeat it: it may hold a
// secret.
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

// localBase returns the base of a local server.
func localBase(host string, port int) base {
	// A server that listens on all addresses is called at this machine's own.
	switch host {
	case "0.0.0.0":
		host = "127.0.0.1"
	case "::", "[::]":
		host = "::1"
	}
	at := net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
	return base{url: "http://" + at + apiPrefix, host: at}
}

// route returns the address of an agent's route.
func (b base) route(agent, name string) string {
	return b.url + "/agents/" + url.PathEscape(agent) + "/" + name
}

// webSocket returns the address with a WebSocket scheme.
func webSocket(s string) string { return "ws" + strings.TrimPrefix(s, "http") }

func checkHost(host string) error {
	if strings.ContainsAny(host, "/?#@%\\ \t\r\n") || strings.Contains(strings.Trim(host, "[]"), "]") ||
		strings.Count(host, ":") == 1 {
		return errors.New("is no name or address of a machine: write one like 127.0.0.1, and the port as port")
	}
	return nil
}

// maxID bounds ids and tags: they are names, not content.
const maxID = 200

// checkID rejects an id that is more than one segment of a path, or that a server
// or proxy may read differently. An empty id is valid: none is given.
func checkID(id string) error {
	switch {
	case len(id) > maxID:
		return fmt.Errorf("has %d bytes: an id has at most %d", len(id), maxID)
	case id == ".", id == "..", strings.Contains(id, ".."), strings.ContainsAny(id, "/\\?#%;"), !oneWord(id):
		return fmt.Errorf("is %q, which is no id of an agent: write the one that runagent shows, without spaces, .. and any of / \\ ? # %% ; in it", printable.Name(id, maxID))
	}
	return nil
}

// checkTag rejects what cannot be the tag of an entrypoint.
func checkTag(tag string) error {
	if len(tag) > maxID {
		return fmt.Errorf("has %d bytes: a tag has at most %d", len(tag), maxID)
	}
	if !utf8.ValidString(tag) || strings.ContainsFunc(tag, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("is %q, which has a character that is not printed", printable.Name(tag, maxID))
	}
	return nil
}

func oneWord(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}
