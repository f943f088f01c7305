// Package chat is the client's side of a direct conversation: it sends messages, waits
// for their replies through restarts of workers and servers, and builds messages from
// lines typed at a terminal.
//
// The line editor is its own: the text inputs of bubbles edit code points, so that a flag, an
// accented letter or a family is deleted in parts, and readline libraries for Go either do the
// same or read the process's own standard input and ~/.inputrc.
package chat
