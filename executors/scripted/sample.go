package scripted

// Sample is the commented entry of parley.yaml that starter init writes.
const Sample = `type: scripted
# A script of your own, from the folder of this file. Default: the support desk of a shop.
# script: script.yaml
# How long each reply takes.
# latency: 200ms
`
