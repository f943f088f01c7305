package ui

import "net/url"

// links are the addresses of pages, as one site has them.
type links struct {
	root string
	// files is set for a bundle, whose pages are files.
	files bool
}

func (l links) List() string {
	if l.files {
		return l.root + "index.html"
	}
	return l.root
}

func (l links) Waiting() string { return l.page("waiting") }
func (l links) Runs() string    { return l.page("runs") }
func (l links) Compare() string { return l.page("compare") }

func (l links) page(name string) string {
	if l.files {
		return l.root + name + ".html"
	}
	return l.root + name
}

// Conversation is the page of one conversation.
func (l links) Conversation(id string) string {
	if l.files {
		return l.root + "conversations/" + keyOf(id) + ".html"
	}
	return l.root + "conversation?" + url.Values{"id": {id}}.Encode()
}

// Run is the summary of a simulation or an agent.
func (l links) Run(kind, id string) string {
	if l.files {
		return l.root + "runs/" + keyOf(kind, id) + ".html"
	}
	return l.root + "run?" + url.Values{kind: {id}}.Encode()
}

// Filtered is the list with one condition.
func (l links) Filtered(field, value string) string {
	if l.files {
		return l.List() + "#" + url.Values{field: {value}}.Encode()
	}
	return l.root + "?" + url.Values{field: {value}}.Encode()
}

// Static is a file of the pages themselves.
func (l links) Static(name string) string { return l.root + "static/" + name }
