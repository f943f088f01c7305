package sim

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Lenient lists what the simulator does better than OneRun. The zero value does nothing
// better: a worker that passes its tests against it works with OneRun too.
type Lenient struct {
	// Keys makes responses with an Idempotency-Key repeatable. OneRun does not know the
	// header: it stores a repeated message twice.
	Keys bool
	// Turns lets one responses call at a time into a conversation. In OneRun two
	// simultaneous calls read the same transcript, and both are stored.
	Turns bool
	// Claims makes start atomic. In OneRun two simultaneous calls can both succeed.
	Claims bool
	// Capacity answers any number of simultaneous responses calls. OneRun holds a
	// database connection during each: with one too many it answers no call for
	// [Config.Freeze], and that one gets a 500.
	Capacity bool
	// Missing answers 404 for a simulation that does not exist or belongs to another
	// project. OneRun answers 500 to a read of a missing one, and serves those of other
	// projects.
	Missing bool
	// Items answers GET on items. OneRun reads transcripts by POST only.
	Items bool
	// Markers tolerates white space after the end marker. OneRun takes such a marker for
	// text, and the conversation continues.
	Markers bool
	// Empty lets the persona answer an empty message. OneRun's model refuses it, with a
	// 500.
	Empty bool
	// Connections keeps idle connections open, dates answers to the second, and
	// answers 503 to calls that [Simulator.Close] interrupts. OneRun closes
	// connections after five idle seconds, its Date is up to two seconds old, and a
	// restart cuts off the calls under way.
	Connections bool
}

// LenientInAll sets every switch.
func LenientInAll() Lenient {
	var l Lenient
	v := reflect.ValueOf(&l).Elem()
	for i := range v.NumField() {
		v.Field(i).SetBool(true)
	}
	return l
}

// LenientIn sets the switches that list names: keys, turns, claims, capacity, missing,
// items, markers, empty, connections, or all.
func LenientIn(names ...string) (Lenient, error) {
	var l Lenient
	v := reflect.ValueOf(&l).Elem()
	var known []string
	for i := range v.NumField() {
		known = append(known, strings.ToLower(v.Type().Field(i).Name))
	}
	for _, name := range names {
		if name == "all" {
			l = LenientInAll()
			continue
		}
		i := slices.Index(known, name)
		if i < 0 {
			return Lenient{}, fmt.Errorf("lenient in %q: want some of %s, or all", name, strings.Join(known, ", "))
		}
		v.Field(i).SetBool(true)
	}
	return l, nil
}

const (
	// connections is how many database connections OneRun has.
	connections = 15
	// defaultFreeze is how long OneRun blocks while it waits for a connection.
	defaultFreeze = 30 * time.Second
	// idleTimeout is how long OneRun keeps a connection without a request.
	idleTimeout = 5 * time.Second
	// dateLag is how old OneRun's Date may be.
	dateLag = 2 * time.Second
)
