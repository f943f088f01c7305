package settings

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/parley-run/parley/secret"
)

// WebSocketURL is the fault of the field "url", if it is no address of a server of
// WebSockets. Empty is none. It does not quote the URL, which may hold a secret.
func WebSocketURL(raw, example string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return Fault("url", "write it in full, such as "+example, "is no address of an engine")
	}
	switch u.Scheme {
	case "ws", "wss", "http", "https":
	default:
		return Fault("url", "write it in full, such as "+example, "begins with none of ws, wss, http and https")
	}
	if u.User != nil {
		return Fault("url", "leave them out, headers and query are for credentials", "contains a user name or password")
	}
	return nil
}

// RevealHeaders makes the headers of a request. The line break at the end of a file is cut off.
func RevealHeaders(headers map[string]secret.String) http.Header {
	out := http.Header{}
	for name, value := range headers {
		out.Set(name, strings.TrimSpace(value.Reveal()))
	}
	return out
}

// RevealQuery is RevealHeaders for the parameters of an address.
func RevealQuery(query map[string]secret.String) url.Values {
	out := url.Values{}
	for name, value := range query {
		out.Set(name, strings.TrimSpace(value.Reveal()))
	}
	return out
}
