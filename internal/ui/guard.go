package ui

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// cookieName names the cookie of a session. Cookies do not know ports: it has the name of
// the page, so that other local servers do not take it for theirs.
const cookieName = "parley_ui"

// policy permits what the pages need, and nothing from elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// admit lets in who has the token: in the address once, and in a cookie after that.
func (s *Server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); r.Method == http.MethodGet && q.Has("token") {
			if !same(q.Get("token"), s.token) {
				refuse(w)
				return
			}
			http.SetCookie(w, &http.Cookie{ //nolint:gosec // the server has no TLS: it listens on loopback only
				Name: cookieName, Value: s.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
			})
			q.Del("token")
			to := *r.URL
			to.RawQuery = q.Encode()
			// Not a redirect: a browser withholds a strict cookie from one that began on another
			// site, such as a link in a mail.
			w.Header().Set("Refresh", "0; url="+to.RequestURI())
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write([]byte("Opening Parley.\n"))
			return
		}
		c, err := r.Cookie(cookieName)
		if err != nil || !same(c.Value, s.session) {
			refuse(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter) {
	http.Error(w, "This page is for the operator who started it: open the address that `starter ui` printed, with its token.", http.StatusForbidden)
}

// same compares in a time that does not depend on the difference.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
