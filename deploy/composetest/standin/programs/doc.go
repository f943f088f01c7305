// Package programs pins the programs of Temporal's images: tools in go.mod, which package
// containers builds.
package programs
