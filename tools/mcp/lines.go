package mcp

import (
	"bufio"
	"errors"
	"fmt"
	"os"
)

const (
	// maxAnswer bounds one answer of a server: a model cannot use a longer one.
	maxAnswer = 16 << 20
	// maxLine bounds how far a line is read to find its end.
	maxLine = 4 * maxAnswer
)

var (
	// errTooLarge fails only the call of the answer.
	errTooLarge = errors.New("the answer is larger than 16 MiB")
	// errUnreadable fails only the request of the answer.
	errUnreadable = errors.New("the answer is not JSON")
	// errEndless fails all calls: the program is stopped.
	errEndless = fmt.Errorf("the program wrote a line of more than %d MiB", maxLine>>20)
)

// A line is one line of a program's output.
type line struct {
	text []byte
	// cut means that the output ended there: the line may have no end.
	cut bool
	// answers is the id of the call that the line answers, if the line is too large
	// to keep: text is then empty.
	answers string
}

// readLine returns the next line.
func readLine(r *bufio.Reader) (line, error) {
	var (
		text []byte
		id   *idScanner
		size int
	)
	for {
		piece, err := r.ReadSlice('\n')
		size += len(piece)
		switch {
		case size > maxLine:
			return line{}, errEndless
		case id != nil:
			id.scan(piece)
		case size > maxAnswer:
			id = &idScanner{}
			id.scan(text)
			id.scan(piece)
			text = nil
		default:
			text = append(text, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil && len(text) > 0 && !errors.Is(err, os.ErrDeadlineExceeded):
			return line{text: text, cut: true}, nil // the next read fails
		case err != nil:
			return line{}, err
		case id != nil:
			return line{answers: string(id.id)}, nil
		default:
			return line{text: text}, nil
		}
	}
}

// maxIDDigits is more digits than our ids have.
const maxIDDigits = 20

// An idScanner finds the number in the field "id" of a JSON object that is too large to
// keep, or is not quite JSON. The number may be a text.
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
		s.digit(c)
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
		s.digit(c)
	}
}

func (s *idScanner) digit(c byte) {
	if s.inID && s.depth == 1 && c >= '0' && c <= '9' && len(s.id) < maxIDDigits {
		s.id = append(s.id, c)
	}
}
