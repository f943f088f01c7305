// Package settings checks the settings of backends. Each check adds a
// [conversation.FieldError] to [Faults], so that New reports all of them at once.
package settings

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

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/joined"
	"github.com/parley-run/parley/secret"
)

// Fault is one fault of a setting; remedy says what would be right, and format goes on
// after the field.
func Fault(field, remedy, format string, args ...any) error {
	return &conversation.FieldError{Field: field, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

// Faults collects the faults of a configuration. The zero value is ready to use.
type Faults struct{ faults []*conversation.FieldError }

// Add adds [Fault].
func (f *Faults) Add(field, remedy, format string, args ...any) {
	f.Include(Fault(field, remedy, format, args...))
}

// Include adds faults that have been found already. Nil adds nothing.
func (f *Faults) Include(errs ...error) { f.faults = append(f.faults, Fields(errs...)...) }

// Err joins all, sorted by field: maps are walked in any order, and the report has
// one. It is nil if there are none.
func (f *Faults) Err() error {
	slices.SortStableFunc(f.faults, func(a, b *conversation.FieldError) int { return cmp.Compare(a.Field, b.Field) })
	var errs []error
	for _, fault := range f.faults {
		errs = append(errs, fault)
	}
	return errors.Join(errs...)
}

// Fields takes joined errors apart. An error that is no field's is one of the settings
// as a whole.
func Fields(errs ...error) []*conversation.FieldError {
	return joined.As(errors.Join(errs...), func(err error) *conversation.FieldError {
		return &conversation.FieldError{Text: err.Error()}
	})
}

// Required requires a value.
func (f *Faults) Required(field, value, remedy string) {
	if strings.TrimSpace(value) == "" {
		f.Add(field, remedy, "is empty")
	}
}

// Range requires a number from 0 to the highest, if there is one.
func (f *Faults) Range(field string, value *float64, highest float64) {
	if value != nil && !(*value >= 0 && *value <= highest) {
		f.Add(field, fmt.Sprintf("write 0 to %v", highest), "is %v", *value)
	}
}

// Key requires api_key, if there is one, to be fit for a header.
func (f *Faults) Key(key secret.String) {
	if k := key.Reveal(); !HeaderSafe(k) || strings.ContainsFunc(k, unicode.IsSpace) {
		f.Add("api_key", "check where it is read from", "contains a space, a line break or a character no header can carry")
	}
}

// Printable requires a value to be fit for a header.
func (f *Faults) Printable(field, value string) {
	if !HeaderSafe(value) {
		f.Add(field, "", "contains a line break or a character no header can carry")
	}
}

// Count requires a number that is not negative.
func (f *Faults) Count(field string, n int64) {
	if n < 0 {
		f.Add(field, "write 1 or more, or leave it out", "is %d", n)
	}
}

// Duration requires a time that is not negative.
func (f *Faults) Duration(field string, d time.Duration) {
	if d < 0 {
		f.Add(field, "write more than 0, or leave it out", "is %v", d)
	}
}

// OneOf requires one of the words, or none.
func OneOf[T ~string](f *Faults, field string, value T, words ...T) {
	if value == "" || slices.Contains(words, value) {
		return
	}
	var all []string
	for _, word := range words {
		all = append(all, string(word))
	}
	f.Add(field, "write "+Or(all), "is %q", value)
}

// Or is "a, b or c".
func Or(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

var (
	headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	fieldName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Headers requires names and values that are fit for headers. The header that api_key
// sets may be set only if there is no key.
func (f *Faults) Headers(headers map[string]secret.String, key secret.String, keyHeader string) {
	for name, value := range headers {
		field := "headers." + name
		switch {
		case !IsHeaderName(name):
			f.Add(field, "", "is no name of a header")
		case !HeaderSafe(value.Reveal()):
			f.Add(field, "", "contains a line break or a character no header can carry")
		case strings.EqualFold(name, keyHeader) && key != "":
			f.Add(field, "give one of the two", "is what api_key sets")
		}
	}
}

// Sender requires the token and the headers that identify the sender to be fit for
// headers, and reserves the headers named last for the backend.
func (f *Faults) Sender(token secret.String, headers map[string]secret.String, own ...string) {
	if t := token.Reveal(); strings.ContainsFunc(t, unicode.IsSpace) {
		f.Add("bearer_token", "check where it is read from", "contains a space or a line break")
	} else {
		f.Printable("bearer_token", t)
	}
	f.Headers(headers, "", "")
	if name, ok := Header(headers, "Authorization"); ok && token != "" {
		f.Add("headers."+name, "give one of the two", "is what bearer_token sets")
	}
	f.Reserved(headers, own...)
}

// Reserved refuses headers that are the backend's own.
func (f *Faults) Reserved(headers map[string]secret.String, own ...string) {
	for _, name := range own {
		if written, ok := Header(headers, name); ok {
			f.Add("headers."+written, "leave it out", "cannot be set here")
		}
	}
}

// Extra requires fields that JSON can hold. The backend's own have a meaning that must
// not be changed.
func (f *Faults) Extra(extra map[string]any, own ...string) {
	for name, value := range extra {
		field := "extra." + name
		switch {
		case !fieldName.MatchString(name):
			f.Add(field, "", "is no name of a field")
		case slices.Contains(own, name):
			f.Add(field, "leave it out", "cannot be set here")
		default:
			if _, err := json.Marshal(value); err != nil {
				f.Add(field, "", "is not for JSON: %v", err)
			}
		}
	}
}

// BaseURL checks base_url, if there is one. It does not quote it: it may hold a
// password. Added is what the backend appends, and what users often write themselves.
func (f *Faults) BaseURL(s, example string, added ...string) {
	const field = "base_url"
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	if err != nil {
		f.Add(field, "write one like "+example, "is no URL")
		return
	}
	if !IsServer(u) {
		f.Add(field, "write one like "+example, "is no address of a server")
	}
	if u.User != nil {
		f.Add(field, "use api_key or headers", "contains a user name or password")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		f.Add(field, "leave it out", "contains a query or fragment")
	}
	for _, path := range added {
		if strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), path) {
			f.Add(field, "leave it out, it is added", "contains %s", path)
			return
		}
	}
}

// Server checks an agent's address. It does not quote it: it may hold a secret.
func (f *Faults) Server(field, s, example string) {
	u, err := url.Parse(s)
	if err != nil || !IsServer(u) {
		f.Add(field, "write one like "+example, "is no address of a server")
		return
	}
	if u.User != nil {
		f.Add(field, "use headers, with Authorization: Basic …", "contains a user name or password")
	}
	if u.Fragment != "" {
		f.Add(field, "leave it out", "contains a fragment (#)")
	}
}

// IsServer reports whether the URL leads to an HTTP server.
func IsServer(u *url.URL) bool { return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" }

// Header finds a header whatever its case, and returns its name as it is written.
func Header(headers map[string]secret.String, name string) (written string, ok bool) {
	for have := range headers {
		if strings.EqualFold(have, name) {
			return have, true
		}
	}
	return "", false
}

// IsHeaderName reports whether a header can have the name.
func IsHeaderName(name string) bool { return headerName.MatchString(name) }

// HasHeader reports whether the header is among those, whatever its case.
func HasHeader(headers map[string]secret.String, name string) bool {
	_, ok := Header(headers, name)
	return ok
}

// HeaderSafe reports whether a header can carry s.
func HeaderSafe(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) })
}
