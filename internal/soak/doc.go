// Package soak measures what lasts long: a conversation of ten thousand turns, ten thousand
// idle conversations on one worker, and how long a history takes to be replayed.
//
//	make soak
//	make soak ARGS="-turns 1000 -idle 2000"
//
// Each is a test with the build tag soak. They take tens of minutes, and print figures;
// docs/performance.md has those of one machine.
package soak
