package rest

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/settings"
)

// ParseURL returns an address without slashes at its end. What a fault quotes of
// it holds no password.
func (w Words) ParseURL(raw string) (*url.URL, error) {
	raw = strings.TrimRight(strings.TrimSpace(raw), "/")
	if raw == "" {
		return nil, settings.Fault(w.Setting, fmt.Sprintf("set it, or %s, to the address of %s, such as %s", w.Variable, w.API, w.Example), "is empty")
	}
	u, err := url.Parse(raw)
	if err != nil || !strings.Contains(raw, "://") {
		u = &url.URL{}
	}
	switch {
	case u.User != nil:
		return nil, settings.Fault(w.Setting, "leave them out, api_key is what "+w.Service+" checks", "contains a user name or password")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, settings.Fault(w.Setting, "write it in full, such as "+w.Example, "is %q, which is no http:// or https:// address", Clip(withoutUser(raw)))
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, settings.Fault(w.Setting, fmt.Sprintf("leave them out: %s://%s%s", u.Scheme, u.Host, u.Path), "has a query or a fragment")
	}
	return u, nil
}

// withoutUser takes out whatever stands before an @, which may be a password.
func withoutUser(raw string) string {
	if _, rest, found := strings.Cut(raw, "@"); found {
		return rest
	}
	return raw
}

// HeaderSafe reports whether a header can carry s.
func HeaderSafe(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// CheckName says what is wrong with the name of a platform, which is part of its
// conversations' names.
func CheckName(name string) error {
	if strings.Contains(name, "/") {
		return settings.Fault("", "choose a name without", "name %q contains a slash", name)
	}
	return nil
}

// CheckTimeout says what is wrong with a timeout. Zero means the default.
func CheckTimeout(field string, d time.Duration, example string) error {
	if d < 0 {
		return settings.Fault(field, "use a positive duration such as "+example+", or leave it out", "is %s", d)
	}
	return nil
}
