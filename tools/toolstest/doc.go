// Package toolstest holds the contract that every set of tools keeps, as tests. A
// kind's own tests call [Run] with a [Fixture]. The package also has [Fake], a
// set for the tests of everything that calls tools.
package toolstest
