package conversation

import "net/url"

// RedactURL is the address without user, password, query and fragment, any of which may
// be a secret. It is empty if the address does not parse.
func RedactURL(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
