package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"time"
)

// longestBody bounds what is kept of a request to send it twice.
const longestBody = 8 << 20

// doubling reads requests as HTTP. A POST that is to be doubled goes to the server twice,
// first on a connection of its own whose answer is thrown away: as by a box that believes
// that its first delivery was lost. Then the data of this connection passes as it is.
func (p *Link) doubling(client, server net.Conn) {
	in := bufio.NewReader(client)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			reset(server)
			return
		}
		body, err := io.ReadAll(io.LimitReader(req.Body, longestBody))
		if err != nil {
			reset(server)
			return
		}
		if req.Method == http.MethodPost && p.takeDouble(req) {
			if p.deliver(req, body) && p.Doubled != nil {
				p.Doubled(req.URL.Path, body)
			}
		}
		if err := write(server, req, body); err != nil {
			return
		}
	}
}

// takeDouble reports that this request is the one to be doubled. A read that OneRun
// makes by POST has no effect to double.
func (p *Link) takeDouble(req *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.double == 0 || bytes.HasSuffix([]byte(req.URL.Path), []byte("/items")) {
		return false
	}
	p.double--
	return true
}

// deliver makes the first of two deliveries, and waits for its answer.
func (p *Link) deliver(req *http.Request, body []byte) bool {
	c, err := net.DialTimeout("tcp", p.upstream, 5*time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if write(c, req, body) != nil {
		return false
	}
	res, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		return true // it may have been done
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return true
}

func write(to io.Writer, req *http.Request, body []byte) error {
	out := req.Clone(req.Context())
	out.Body, out.ContentLength, out.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	return out.Write(to)
}
