// Package iiiserve serves conversations as functions of an iii engine:
// conversation::start, send, get, list and end, agent::chat if the configuration asks for
// it, and an inbox whose messages start conversations.
//
// A [Server] uses the connection of an [iiiengine.Platform] and Temporal. It keeps no
// conversation itself, so any replica can serve any call. An engine gives each function
// to one worker: a Server is an [iii.Replica], which stands by while another serves.
package iiiserve
