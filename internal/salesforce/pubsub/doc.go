// Package pubsub is the wire to the Salesforce Pub/Sub API (gRPC, service
// eventbus.v1.PubSub): subscribe with flow control, publish, schema cache, and
// Avro payloads turned straight into JSON.
package pubsub
