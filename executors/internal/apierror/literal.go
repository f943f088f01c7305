package apierror

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// literal reads a dict, list or tuple at the beginning of a text in the form in which
// Python prints it.
func literal(text string) (any, bool) {
	p := &python{s: text}
	v, ok := p.value(0)
	return v, ok
}

// python reads Python's literals.
type python struct {
	s  string
	at int
}

func (p *python) space() {
	for p.at < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.at]) >= 0 {
		p.at++
	}
}

// next returns the next byte that is no white space, or 0.
func (p *python) next() byte {
	p.space()
	if p.at == len(p.s) {
		return 0
	}
	return p.s[p.at]
}

func (p *python) value(depth int) (any, bool) {
	if depth > 4*maxDepth {
		return nil, false
	}
	switch c := p.next(); c {
	case '{':
		return p.dict(depth)
	case '[':
		return p.list(']', depth)
	case '(':
		return p.list(')', depth)
	case '\'', '"':
		return p.text(c)
	case 0:
		return nil, false
	default:
		return p.word()
	}
}

func (p *python) dict(depth int) (any, bool) {
	out := map[string]any{}
	p.at++
	for p.next() != '}' {
		key, ok := p.value(depth + 1)
		if !ok || p.next() != ':' {
			return nil, false
		}
		p.at++
		v, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		if name, isText := key.(string); isText {
			out[name] = v
		}
		if p.next() == ',' {
			p.at++
		} else if p.next() != '}' {
			return nil, false
		}
	}
	p.at++
	return out, true
}

func (p *python) list(end byte, depth int) (any, bool) {
	var out []any
	p.at++
	for p.next() != end {
		v, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		out = append(out, v)
		if p.next() == ',' {
			p.at++
		} else if p.next() != end {
			return nil, false
		}
	}
	p.at++
	return out, true
}

func (p *python) text(quote byte) (any, bool) {
	var b strings.Builder
	for p.at++; p.at < len(p.s); p.at++ {
		switch c := p.s[p.at]; {
		case c == quote:
			p.at++
			return b.String(), true
		case c == '\\' && p.at+1 < len(p.s):
			p.at++
			p.escape(&b)
		default:
			b.WriteByte(c)
		}
	}
	return nil, false
}

// escape reads the character after a backslash.
func (p *python) escape(b *strings.Builder) {
	digits := 0
	switch c := p.s[p.at]; c {
	case 'n', 'r', 't':
		b.WriteByte(' ')
		return
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		b.WriteByte(c)
		return
	}
	end := min(p.at+1+digits, len(p.s))
	if n, err := strconv.ParseUint(p.s[p.at+1:end], 16, 32); err == nil && n <= utf8.MaxRune {
		b.WriteRune(rune(n))
		p.at = end - 1
	}
}

// word reads a number, None, True, False, or a prefix of a text such as b'…'. The text of
// an object, such as ValueError('…'), becomes a text.
func (p *python) word() (any, bool) {
	from := p.at
	for p.at < len(p.s) && strings.IndexByte("'\"(){}[],: \t\r\n", p.s[p.at]) < 0 {
		p.at++
	}
	word := p.s[from:p.at]
	switch word {
	case "":
		return nil, false
	case "None", "null":
		return nil, true
	case "True", "true":
		return true, true
	case "False", "false":
		return false, true
	case "b", "u", "r":
		if c := p.next(); c == '\'' || c == '"' {
			return p.text(c)
		}
	}
	if p.next() == '(' {
		return p.object(word)
	}
	if _, err := strconv.ParseFloat(word, 64); err == nil && json.Valid([]byte(word)) {
		return json.Number(word), true
	}
	return word, true
}

func (p *python) object(name string) (any, bool) {
	arguments, ok := p.list(')', 4*maxDepth-1)
	if !ok {
		return nil, false
	}
	if list, _ := arguments.([]any); len(list) > 0 {
		if text, isText := list[0].(string); isText {
			return name + ": " + text, true
		}
	}
	return name, true
}
