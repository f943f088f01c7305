package modelcall

import (
	"iter"
	"strconv"
)

// A text is a string in JSON, without its quotes.
type text struct {
	begin, end int
	// path names its place: the keys and positions that lead there.
	path string
}

// A level is an object or a list around a text.
type level struct {
	list   bool
	key    string
	at     int
	expect bool // the next text is a key
}

// maxLevels bounds the depth up to which texts have a path.
const maxLevels = 64

// texts are the values in JSON data that are strings. Data that is not JSON has some, or
// none.
func texts(data []byte) iter.Seq[text] {
	return func(yield func(text) bool) {
		var levels []level
		for i := 0; i < len(data); i++ {
			var top *level
			if len(levels) > 0 {
				top = &levels[len(levels)-1]
			}
			switch data[i] {
			case '{', '[':
				if len(levels) >= maxLevels {
					return
				}
				levels = append(levels, level{list: data[i] == '[', expect: data[i] == '{'})
			case '}', ']':
				if len(levels) > 0 {
					levels = levels[:len(levels)-1]
				}
			case ',':
				if top != nil {
					top.at++
					top.expect = !top.list
				}
			case '"':
				end := closing(data, i+1)
				if end < 0 {
					return
				}
				if top != nil && top.expect {
					top.key, top.expect = string(data[i+1:end]), false
				} else if !yield(text{i + 1, end, path(levels)}) {
					return
				}
				i = end
			}
		}
	}
}

// closing returns the position of the quote that ends a text, or -1.
func closing(data []byte, i int) int {
	for ; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

func path(levels []level) string {
	var out []byte
	for _, l := range levels {
		out = append(out, '/')
		if l.list {
			out = strconv.AppendInt(out, int64(l.at), 10)
		} else {
			out = append(out, l.key...)
		}
	}
	return string(out)
}
