// Package toolstest holds the contract of package tools as tests. The tests of a
// kind of set call [Run] with a [Fixture]. [Fake] is a set for tests of code that
// calls tools.
package toolstest
