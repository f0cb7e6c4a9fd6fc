//go:build !race

package bulkapi_test

// manyRows is what the test of a large job loads.
const manyRows = 25_000
