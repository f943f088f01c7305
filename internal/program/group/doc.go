// Package group is what the systems differ in where a program is to have a
// process group of its own, so that its children end with it.
package group
