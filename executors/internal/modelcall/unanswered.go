package modelcall

import (
	"errors"
	"io"
	"net/url"
)

var errHungUp = errors.New("the server closed the connection without an answer")

// Unanswered is why an HTTP request got no answer, without its URL: that is no
// news, and may hold a secret. Of a connection that was closed, net/http says no
// more than "EOF".
func Unanswered(err *url.Error) error {
	if errors.Is(err.Err, io.EOF) {
		return errHungUp
	}
	return err.Err
}
