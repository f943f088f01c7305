// Package uilink makes addresses of pages in Temporal's web interface.
package uilink

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// cloud is where the web interface of Temporal Cloud is.
const cloud = "https://cloud.temporal.io"

// Base checks the address of a web interface, such as "http://127.0.0.1:8233" or, behind a
// proxy, "https://example.com/temporal", and returns it without a slash at its end. Empty
// stays empty: the address is not known.
func Base(address string) (string, error) {
	if address == "" {
		return "", nil
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		err = errors.Unwrap(err) // without the address, which may have a password
	case u.Scheme != "http" && u.Scheme != "https":
		err = errors.New("it does not begin with http:// or https://")
	case u.Hostname() == "":
		err = errors.New("it has no host")
	case u.User != nil:
		err = errors.New("it has a user name or a password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		err = errors.New("it has a query or a fragment")
	}
	if err != nil {
		return "", fmt.Errorf("address of the Temporal UI: %w: use one such as http://127.0.0.1:8233", err)
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u.String(), nil
}

// Cloud is the web interface of Temporal Cloud, if that is what the server address,
// "host:port", is part of. Empty: it is not.
func Cloud(server string) string {
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		host = server
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if strings.HasSuffix(host, ".tmprl.cloud") || strings.HasSuffix(host, ".api.temporal.io") {
		return cloud
	}
	return ""
}

// Conversation is the page of a workflow. Without a run it is that of the newest one.
// It is empty if base, an answer of [Base], or the id is empty.
func Conversation(base, namespace, id, runID string) string {
	if base == "" || id == "" {
		return ""
	}
	page := workflows(base, namespace) + "/" + segment(id)
	if runID == "" {
		return page
	}
	return page + "/" + segment(runID) + "/history"
}

// List is the page of the workflows that a visibility query finds. An empty query finds
// all. It is empty if base is.
func List(base, namespace, query string) string {
	if base == "" {
		return ""
	}
	if query == "" {
		return workflows(base, namespace)
	}
	return workflows(base, namespace) + "?query=" + escape(query)
}

func workflows(base, namespace string) string {
	return base + "/namespaces/" + segment(namespace) + "/workflows"
}

// segment is one segment of a path. A segment of dots alone would move up in the path.
func segment(s string) string {
	if strings.Trim(s, ".") == "" {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return escape(s)
}

// escape escapes everything but letters, digits and "-_.~", spaces as %20: what stands in an
// address cannot end it, nor the word or the link that it is part of.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
