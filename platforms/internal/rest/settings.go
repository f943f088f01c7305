package rest

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// ParseURL returns an address without slashes at its end. What a fault quotes of
// it holds no password.
func (w Words) ParseURL(raw string) (*url.URL, error) {
	raw = strings.TrimRight(strings.TrimSpace(raw), "/")
	if raw == "" {
		return nil, fmt.Errorf("%s is empty: set it, or %s, to the address of %s, such as %s", w.Setting, w.Variable, w.API, w.Example)
	}
	u, err := url.Parse(raw)
	if err != nil || !strings.Contains(raw, "://") {
		u = &url.URL{}
	}
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("%s contains a user name or password: leave them out, api_key is what %s checks", w.Setting, w.Service)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, fmt.Errorf("%s %q is no http:// or https:// address: write it in full, such as %s", w.Setting, Clip(withoutUser(raw)), w.Example)
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, fmt.Errorf("%s has a query or a fragment: leave them out: %s://%s%s", w.Setting, u.Scheme, u.Host, u.Path)
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
		return fmt.Errorf("name %q contains a slash: choose a name without", name)
	}
	return nil
}

// CheckTimeout says what is wrong with a timeout. Zero stands for a default.
func CheckTimeout(setting string, d time.Duration, example string) error {
	if d < 0 {
		return fmt.Errorf("%s is %s: use a positive duration such as %s, or leave it out", setting, d, example)
	}
	return nil
}
