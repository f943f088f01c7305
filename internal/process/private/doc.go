// Package private keeps other programs of the same user from reading what this process
// holds: its environment, with the keys in it, and its memory.
package private
