package mcp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// maxStream bounds a stream, including all messages before the answer.
const maxStream = 4 * maxAnswer

// readStream reads server-sent events until the answer to the call arrives. It
// skips everything else, such as progress.
func readStream(body io.Reader, call jsonrpc.ID) ([]byte, error) {
	r := bufio.NewReaderSize(&io.LimitedReader{R: body, N: maxStream}, 64<<10)
	var data []byte
	for {
		line, large, err := readEventLine(r, maxAnswer-len(data))
		switch {
		case large:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			return nil, errors.New("the stream ended before the answer")
		case err != nil:
			return nil, fmt.Errorf("the stream broke off before the answer: %w", err)
		case len(line) > 0:
			if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
				data = append(append(data, bytes.TrimPrefix(value, []byte(" "))...), '\n')
			}
			continue
		}
		if answers(data, call) {
			return data, nil
		}
		data = nil
	}
}

// readEventLine returns the next line without its end.
func readEventLine(r *bufio.Reader, limit int) (line []byte, large bool, err error) {
	for {
		piece, err := r.ReadSlice('\n')
		if len(line)+len(piece) > limit {
			return nil, true, nil
		}
		line = append(line, piece...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytes.TrimRight(line, "\r\n"), false, err
	}
}
