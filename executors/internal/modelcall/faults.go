package modelcall

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/parley-run/parley/secret"
)

// Faults collects what is wrong with a configuration, each fault with its key
// and what would be right.
type Faults struct{ errs []error }

// Add adds one.
func (f *Faults) Add(format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf(format, args...))
}

// Err joins all. Settings are walked in any order; the report has one.
func (f *Faults) Err() error {
	slices.SortStableFunc(f.errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(f.errs...)
}

// Model requires a name.
func (f *Faults) Model(name string) {
	if strings.TrimSpace(name) == "" {
		f.Add("model: it is empty; name the model to ask")
	}
}

// Key requires a key, if there is one, to be fit for a header.
func (f *Faults) Key(key secret.String) {
	if k := key.Reveal(); !headerSafe(k) || strings.ContainsFunc(k, unicode.IsSpace) {
		f.Add("api_key contains a space, a line break or a character no header can carry: check where it is read from")
	}
}

// Printable requires a value to be fit for a header.
func (f *Faults) Printable(name, value string) {
	if !headerSafe(value) {
		f.Add("%s contains a line break or a character no header can carry", name)
	}
}

// Temperature bounds it.
func (f *Faults) Temperature(t *float64, highest float64) {
	if t != nil && !(*t >= 0 && *t <= highest) {
		f.Add("temperature is %v: write 0 to %v", *t, highest)
	}
}

// Count requires a number that is not negative.
func (f *Faults) Count(name string, n int) {
	if n < 0 {
		f.Add("%s is %d: write 1 or more, or leave it out", name, n)
	}
}

// Duration requires a time that is not negative.
func (f *Faults) Duration(name string, d time.Duration) {
	if d < 0 {
		f.Add("%s is %v: write more than 0, or leave it out", name, d)
	}
}

// Timers requires times above zero, and inner ones within the total.
func (f *Faults) Timers(t Timers) {
	total := cmp.Or(t.Total, DefaultTimeout)
	for name, d := range map[string]time.Duration{"timeout": t.Total, "first_token_timeout": t.FirstToken, "gap_timeout": t.Gap} {
		f.Duration(name, d)
		if d > total && total > 0 && name != "timeout" {
			f.Add("%s is %v, longer than timeout, %v: lower it, or raise timeout", name, d, total)
		}
	}
}

var (
	headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	fieldName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Headers requires names and values that are fit for headers. The header that
// api_key sets may be set only if there is none.
func (f *Faults) Headers(headers map[string]secret.String, key secret.String, keyHeader string) {
	for name, value := range headers {
		switch {
		case !headerName.MatchString(name):
			f.Add("headers: %q is no name of a header", name)
		case !headerSafe(value.Reveal()):
			f.Add("headers: the value of %s contains a line break or a character no header can carry", name)
		case strings.EqualFold(name, keyHeader) && key != "":
			f.Add("headers: %s is what api_key sets: give one of the two", name)
		}
	}
}

// Sender requires what proves to an agent who sends a request to be fit for
// headers, and leaves the headers named last to the executor.
func (f *Faults) Sender(token secret.String, headers map[string]secret.String, own ...string) {
	if t := token.Reveal(); strings.ContainsFunc(t, unicode.IsSpace) {
		f.Add("bearer_token contains a space or a line break: check where it is read from")
	} else {
		f.Printable("bearer_token", t)
	}
	f.Headers(headers, "", "")
	if token != "" && HasHeader(headers, "Authorization") {
		f.Add("headers: Authorization is what bearer_token sets: give one of the two")
	}
	for _, name := range own {
		if HasHeader(headers, name) {
			f.Add("headers: %s cannot be set here", name)
		}
	}
}

// Extra requires fields that JSON can hold. The executor's own have a meaning
// that must not be changed.
func (f *Faults) Extra(extra map[string]any, own ...string) {
	for name, value := range extra {
		switch {
		case !fieldName.MatchString(name):
			f.Add("extra: %q is no name of a field", name)
		case slices.Contains(own, name):
			f.Add("extra: %s cannot be set here", name)
		default:
			if _, err := json.Marshal(value); err != nil {
				f.Add("extra: %s: %w", name, err)
			}
		}
	}
}

// URL checks base_url, if there is one. It does not quote it: it may hold a
// password. Added is what the executor puts behind it, which some people write
// themselves.
func (f *Faults) URL(s, example string, added ...string) {
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	if err != nil {
		f.Add("base_url is no URL: write one like %s", example)
		return
	}
	if !IsServer(u) {
		f.Add("base_url is no address of a server: write one like %s", example)
	}
	if u.User != nil {
		f.Add("base_url contains a user name or password: use api_key or headers")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		f.Add("base_url contains a query or fragment: leave it out")
	}
	for _, path := range added {
		if strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), path) {
			f.Add("base_url contains %s: leave it out, it is added", path)
			return
		}
	}
}

// Server checks an agent's address. It does not quote it: it may hold a secret.
func (f *Faults) Server(key, s, example string) {
	u, err := url.Parse(s)
	if err != nil || !IsServer(u) {
		f.Add("%s is no address of a server: write one like %s", key, example)
		return
	}
	if u.User != nil {
		f.Add("%s contains a user name or password: use headers, with Authorization: Basic …", key)
	}
	if u.Fragment != "" {
		f.Add("%s contains a fragment (#): leave it out", key)
	}
}

// IsServer reports whether the URL leads to a server of HTTP.
func IsServer(u *url.URL) bool { return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" }

// HasHeader reports whether the header is among those, whatever its case.
func HasHeader(headers map[string]secret.String, name string) bool {
	for have := range headers {
		if strings.EqualFold(have, name) {
			return true
		}
	}
	return false
}

func headerSafe(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) })
}
