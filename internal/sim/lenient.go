package sim

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Lenient lists what the simulator does better than OneRun. The zero value does
// nothing better: a worker that passes its tests against it meets no surprise on
// a real one.
type Lenient struct {
	// Keys makes responses with an Idempotency-Key repeatable. OneRun knows no such
	// header: what is sent twice is stored twice.
	Keys bool
	// Turns lets one responses call at a time into a conversation. In OneRun two at
	// once both read the same transcript, and both are stored.
	Turns bool
	// Claims makes start atomic. In OneRun two at once can both succeed.
	Claims bool
	// Capacity answers any number of responses calls at once. OneRun holds a
	// database connection during each: with one too many it answers nobody for
	// [Config.Freeze], and that one gets a 500.
	Capacity bool
	// Missing answers 404 for a simulation that is not there or belongs to another
	// project. OneRun answers 500 to a look at a missing one, and serves those of
	// other projects.
	Missing bool
	// Items answers GET on items. OneRun reads transcripts by POST only.
	Items bool
	// Markers tolerates white space after the end marker. OneRun takes the marker
	// for text then, and the conversation goes on.
	Markers bool
	// Empty lets the persona answer an empty message. OneRun's model refuses it,
	// which is a 500.
	Empty bool
	// Connections keeps idle connections open, dates answers to the second, and
	// answers 503 to calls that [Simulator.Close] interrupts. OneRun closes
	// connections after five idle seconds, its Date is up to two seconds old, and a
	// restart cuts off the calls under way.
	Connections bool
}

// LenientInAll does everything better.
func LenientInAll() Lenient {
	var l Lenient
	v := reflect.ValueOf(&l).Elem()
	for i := range v.NumField() {
		v.Field(i).SetBool(true)
	}
	return l
}

// LenientIn does better what names list: keys, turns, claims, capacity, missing,
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
	// defaultFreeze is how long OneRun waits for a connection, and does nothing else.
	defaultFreeze = 30 * time.Second
	// idleTimeout is how long OneRun keeps a connection without a request.
	idleTimeout = 5 * time.Second
	// dateLag is how old OneRun's Date may be.
	dateLag = 2 * time.Second
)
