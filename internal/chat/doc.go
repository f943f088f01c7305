// Package chat is this side of a direct conversation: it sends messages and waits
// for their replies through restarts of workers and servers, and it makes messages
// of what somebody types on a terminal.
package chat
