// Package private keeps other programs of the same user from reading this process's
// environment, with the keys in it, and its memory.
package private
