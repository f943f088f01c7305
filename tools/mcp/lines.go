package mcp

import (
	"bufio"
	"errors"
	"strconv"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// maxAnswer bounds one answer of a server: what is longer is of no use to a model.
const maxAnswer = 16 << 20

// errTooLarge fails the one call whose answer it was.
var errTooLarge = errors.New("the answer is larger than 16 MiB")

// readLine returns the next line. Of one that is too large it returns only the id
// of the call that it answers, if it answers one.
func readLine(r *bufio.Reader) (line []byte, tooLargeFor string, err error) {
	var id *idScanner
	for {
		piece, err := r.ReadSlice('\n')
		switch {
		case id != nil:
			id.scan(piece)
		case len(line)+len(piece) > maxAnswer:
			id = &idScanner{}
			id.scan(line)
			id.scan(piece)
			line = nil
		default:
			line = append(line, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return nil, "", err
		case id != nil:
			return nil, string(id.id), nil
		default:
			return line, "", nil
		}
	}
}

// tooLarge is the answer in place of one that was too large.
func tooLarge(id string) (jsonrpc.Message, bool) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, false
	}
	made, err := jsonrpc.MakeID(float64(n))
	return &jsonrpc.Response{ID: made, Error: errTooLarge}, err == nil
}

// An idScanner finds the number in the field "id" of a JSON object that is too
// large to be kept.
type idScanner struct {
	depth            int
	inString, escape bool
	word             []byte // the beginning of the newest string
	inID             bool
	id               []byte
}

func (s *idScanner) scan(data []byte) {
	for _, c := range data {
		switch {
		case s.escape:
			s.escape = false
		case s.inString && c == '\\':
			s.escape = true
		case c == '"':
			if s.inString = !s.inString; s.inString {
				s.word = s.word[:0]
			}
			continue
		case !s.inString:
			s.outside(c)
			continue
		}
		if len(s.word) < len("id")+1 {
			s.word = append(s.word, c)
		}
	}
}

func (s *idScanner) outside(c byte) {
	switch c {
	case '{', '[':
		s.depth++
	case '}', ']':
		s.depth--
	case ':':
		s.inID = s.depth == 1 && string(s.word) == "id"
	case ',':
		s.inID = s.inID && s.depth > 1
	default:
		if s.inID && s.depth == 1 && c >= '0' && c <= '9' {
			s.id = append(s.id, c)
		}
	}
}
