package clients_test

import "testing"

func TestStreamingClients(t *testing.T) {
	t.Parallel()
	runNode(t, "streaming.test.mjs", startOrg(t))
}
