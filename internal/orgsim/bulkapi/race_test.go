//go:build race

package bulkapi_test

// manyRows is smaller under the race detector, which makes SQLite ten times slower.
const manyRows = 5_000
