// Package chat is the client's side of a direct conversation: it sends messages, waits
// for their replies through restarts of workers and servers, and builds messages from
// lines typed at a terminal.
package chat
