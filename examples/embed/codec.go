package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	common "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// encrypted is the encoding of this codec's payloads.
const encrypted = "binary/encrypted"

// A codec encrypts every payload that goes to Temporal with AES-256-GCM.
type codec struct{ aead cipher.AEAD }

var _ converter.PayloadCodec = codec{}

func newCodec(key string) (codec, error) {
	secret, err := hex.DecodeString(key)
	if err != nil || len(secret) != 32 {
		return codec{}, errors.New("EMBED_KEY is not a key: set it to 64 hexadecimal digits, as from: openssl rand -hex 32")
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return codec{}, err
	}
	aead, err := cipher.NewGCM(block)
	return codec{aead}, err
}

// Encode encrypts payloads, their metadata included.
func (c codec) Encode(payloads []*common.Payload) ([]*common.Payload, error) {
	out := make([]*common.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("encrypt payload: %w", err)
		}
		nonce := make([]byte, c.aead.NonceSize())
		_, _ = rand.Read(nonce) // it never fails
		out[i] = &common.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encrypted)},
			Data:     c.aead.Seal(nonce, nonce, plain, nil),
		}
	}
	return out, nil
}

// Decode decrypts what Encode has encrypted. It leaves other payloads as they are: open
// conversations may have begun without the codec.
func (c codec) Decode(payloads []*common.Payload) ([]*common.Payload, error) {
	out := make([]*common.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != encrypted {
			out[i] = p
			continue
		}
		n := c.aead.NonceSize()
		if len(p.GetData()) < n {
			return nil, errors.New("decrypt payload: it is too short")
		}
		plain, err := c.aead.Open(nil, p.GetData()[:n], p.GetData()[n:], nil)
		if err != nil {
			return nil, errors.New("decrypt payload: it was encrypted with another key (check EMBED_KEY)")
		}
		out[i] = &common.Payload{}
		if err := proto.Unmarshal(plain, out[i]); err != nil {
			return nil, fmt.Errorf("decrypt payload: %w", err)
		}
	}
	return out, nil
}
