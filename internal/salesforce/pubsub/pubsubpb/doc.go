// Package pubsubpb holds the generated messages and stubs of the Pub/Sub API.
// It is the published protocol and nothing else: the client and the simulator
// both import it, so code written beside it would let one be judged by the
// other's mistakes.
package pubsubpb
