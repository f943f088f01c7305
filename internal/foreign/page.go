package foreign

import (
	"bytes"
	"html"
	"mime"
	"net/http"
	"strings"
)

// maxPage bounds how much of a page is searched, and maxTitle how much is repeated.
const (
	maxPage  = 64 << 10
	maxTitle = 200
)

// IsPage reports whether an answer is HTML, by its header or by how its body begins.
// Whatever begins like markup and is no XML document counts as HTML.
func IsPage(header http.Header, body []byte) bool {
	body = trimmed(body)
	if bytes.HasPrefix(body, []byte("<")) {
		return !IsXML(body)
	}
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return media == "text/html" || media == "application/xhtml+xml"
}

// trimmed is a body without white space around it and without a byte order mark.
func trimmed(body []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\xef\xbb\xbf")))
}

// IsXML reports whether a body is an XML document that may be a service's error.
func IsXML(body []byte) bool {
	body = trimmed(body)
	declared := bytes.HasPrefix(body, []byte("<?xml"))
	root := rootElement(body)
	if declared {
		return root != "" && root != "html"
	}
	for _, word := range []string{"error", "fault", "exception", "response", "envelope", "result"} {
		if strings.Contains(root, word) {
			return true
		}
	}
	return false
}

// rootElement is the name of the first element, lower case, without its prefix.
func rootElement(body []byte) string {
	for range 8 { // declarations and comments before it
		body = bytes.TrimSpace(body)
		switch {
		case bytes.HasPrefix(body, []byte("<!--")):
			_, body, _ = bytes.Cut(body, []byte("-->"))
		case len(body) > 9 && bytes.EqualFold(body[:9], []byte("<!doctype")):
			if bytes.Contains(bytes.ToLower(body[:min(len(body), 40)]), []byte("html")) {
				return "html"
			}
			_, body, _ = bytes.Cut(body, []byte(">"))
		case bytes.HasPrefix(body, []byte("<?")), bytes.HasPrefix(body, []byte("<!")):
			_, body, _ = bytes.Cut(body, []byte(">"))
		case bytes.HasPrefix(body, []byte("<")):
			end := bytes.IndexAny(body[:min(len(body), 80)], " \t\r\n/>")
			if end < 1 {
				return ""
			}
			name := strings.ToLower(string(body[1:end]))
			return name[strings.LastIndexByte(name, ':')+1:]
		default:
			return ""
		}
	}
	return ""
}

// Title is what a page is called: its title, and else its first heading.
func Title(page []byte) string {
	for _, name := range []string{"title", "h1", "h2"} {
		if text := Element(page, name); text != "" {
			return text
		}
	}
	return ""
}

// Element is the text of the first element with the name, in any case and with any
// prefix, on one bounded line.
func Element(document []byte, name string) string {
	document = document[:min(len(document), maxPage)]
	lower := bytes.ToLower(document)
	if len(lower) != len(document) { // a letter whose other case is longer
		lower = document
	}
	for from := 0; ; {
		at := bytes.Index(lower[from:], []byte(name))
		if at < 0 {
			return ""
		}
		at += from
		from = at + len(name)
		if at == 0 || lower[at-1] != '<' && lower[at-1] != ':' || from == len(lower) || !bytes.ContainsRune([]byte(" \t\r\n>"), rune(lower[from])) {
			continue
		}
		open := bytes.IndexByte(lower[from:], '>')
		if open < 0 {
			return ""
		}
		return text(document[from+open+1:])
	}
}

// text is the text at the beginning of the inside of an element, up to the next tag.
func text(inside []byte) string {
	inside = bytes.TrimSpace(inside)
	data, isData := bytes.CutPrefix(inside, []byte("<![CDATA["))
	end := []byte("<")
	if isData {
		inside, end = data, []byte("]]>")
	}
	inside, _, _ = bytes.Cut(inside, end)
	s := strings.Join(strings.Fields(strings.ToValidUTF8(html.UnescapeString(string(inside[:min(len(inside), 4*maxTitle)])), "?")), " ")
	if len(s) > maxTitle {
		s = strings.ToValidUTF8(s[:maxTitle], "")
	}
	return s
}
