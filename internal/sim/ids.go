package sim

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	randv2 "math/rand/v2"
)

const (
	shortID = 12 // projects, agents, objectives
	longID  = 21 // all others
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// newID is always random, whatever the seed: see the package comment.
func newID(length int) string {
	id := make([]byte, 0, length)
	var buf [32]byte
	for len(id) < length {
		_, _ = rand.Read(buf[:]) // never fails
		for _, b := range buf {
			// The first 248 values are four rounds of the alphabet: no letter is
			// likelier than another.
			if int(b) < 4*len(alphabet) && len(id) < length {
				id = append(id, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(id)
}

// hash makes a number of any key.
func hash(key ...any) uint64 {
	data, err := json.Marshal(key)
	if err != nil {
		panic(err) // keys are numbers and texts
	}
	sum := sha256.Sum256(data)
	return binary.LittleEndian.Uint64(sum[:8])
}

// newRand is a generator that depends on the key alone.
func newRand(key ...any) *randv2.Rand {
	h := hash(key...)
	return randv2.New(randv2.NewPCG(h, h^0x9e3779b97f4a7c15))
}
