// Package iiiserve serves conversations as functions of an iii engine:
// conversation::start, send, get, list and end, agent::chat if wanted, and an inbox
// whose messages start conversations. What it needs is a [iiiengine.Platform], which has
// the connection, and Temporal, which has the conversations: it holds none itself,
// so that any replica can serve any call.
//
// An engine gives each function to one worker. A [Server] announces a function when
// nobody serves it, and looks again and again: while another replica has it, this
// one stands by.
package iiiserve
